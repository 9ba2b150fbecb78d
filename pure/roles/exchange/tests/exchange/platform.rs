//! A platform around exchange threads: an edge that loses nothing, an office, a clock, and a journal.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use contract::account::{Destination, Found, ListTenants, LookUp, Number, Tenant, Tenants, User};
use contract::app::{Happened, Instruction, Instructions};
use contract::billing::{Reserve, Reserved, Settle, Settled};
use contract::event::CallEvent;
use contract::media::{Anchor, Anchored, LegPort, Release, Released};
use contract::query::Gauge;
use contract::record::{CallRecord, Keep, Kept};
use contract::{CellId, Conversation, Envelope, Kind, Money, TenantId, decode, sharding};
use exchange::{Exchange, In, Missed, Out, Restored, Settings, kept};
use machine::{Key, KeyedHash, Machine, Mint, Moment, Outbox, Owned, Record, Secret, Shard, Tag};
use sip::digest::{Algorithm, Ha1};
use sip::{Message, Method, Status};

pub(crate) type Sip = Message<Vec<u8>>;

pub(crate) const RED: TenantId = TenantId(1);
pub(crate) const BLUE: TenantId = TenantId(2);

pub(crate) struct Platform {
    pub(crate) now: Moment,
    pub(crate) threads: Vec<Thread>,
    pub(crate) office: Office,
    pub(crate) settings: Settings,
    mint: Mint,
    pub(crate) hash: KeyedHash,
    /// What was said to phones since the last look.
    pub(crate) said: Vec<Sip>,
    /// What was said to other cells.
    pub(crate) beyond: Vec<(CellId, Beyond)>,
    /// Questions of other cells: to which thread of theirs the answer goes, and under which number.
    asked_from: BTreeMap<u64, (CellId, usize, u64)>,
    queue: VecDeque<(usize, In)>,
    /// For benches: reads the processor's clock, in nanoseconds.
    pub(crate) stopwatch: fn() -> u64,
    /// What the exchanges took by the stopwatch.
    pub(crate) spent: u64,
    /// How much was given to the journal.
    pub(crate) kept_bytes: usize,
    pub(crate) kept_records: usize,
}

/// What goes from cell to cell.
#[derive(Debug)]
pub(crate) enum Beyond {
    /// A message for the owner of a shard.
    Message(Shard, Vec<u8>),
    /// A question of that thread to the owner of a shard.
    Question(usize, Envelope),
    /// The answer to one of that thread's.
    Answer(usize, Envelope),
}

pub(crate) struct Thread {
    pub(crate) exchange: Exchange,
    pub(crate) journal: BTreeMap<(Tag, Key), Record>,
}

pub(crate) struct Office {
    pub(crate) is_there: bool,
    /// Its answers come no sooner than [`Platform::late_answers_come`].
    pub(crate) is_slow: bool,
    late: Vec<(usize, Envelope)>,
    pub(crate) asked: Vec<String>,
    pub(crate) tenants: Tenants,
    pub(crate) records: Vec<CallRecord>,
    pub(crate) events: Vec<CallEvent>,
    pub(crate) users: BTreeMap<(TenantId, String), User>,
    pub(crate) numbers: BTreeMap<(TenantId, String), Destination>,
    /// Who lives in another cell, as the directory has it.
    pub(crate) homes: BTreeMap<(TenantId, String), CellId>,
}

fn secret() -> Secret {
    Secret::new([42; 16])
}

impl Platform {
    pub(crate) fn new() -> Self {
        Self::with(1, Settings::default())
    }

    pub(crate) fn with(threads: u16, settings: Settings) -> Self {
        let office = Office {
            is_there: true,
            is_slow: false,
            late: Vec::new(),
            asked: Vec::new(),
            tenants: tenants(),
            records: Vec::new(),
            events: Vec::new(),
            users: BTreeMap::new(),
            numbers: BTreeMap::new(),
            homes: BTreeMap::new(),
        };
        let mut platform = Platform {
            now: Moment::from_secs(1_800_000_000),
            threads: Vec::new(),
            office,
            mint: Mint::new(secret()).of_cell(settings.cell),
            settings,
            hash: KeyedHash::new(secret()),
            said: Vec::new(),
            beyond: Vec::new(),
            asked_from: BTreeMap::new(),
            queue: VecDeque::new(),
            stopwatch: || 0,
            spent: 0,
            kept_bytes: 0,
            kept_records: 0,
        };
        for user in ["alice", "bob", "carol"] {
            platform.add_user(RED, "red.example", user);
            platform.add_user(BLUE, "blue.example", user);
        }
        platform.office.numbers.insert((RED, "600".into()), Destination::App { name: "echo".into() });
        platform.office.numbers.insert((RED, "1001".into()), Destination::User { name: "alice".into() });
        platform.office.numbers.insert((RED, "1002".into()), Destination::User { name: "bob".into() });
        platform.office.numbers.insert((BLUE, "1002".into()), Destination::User { name: "bob".into() });
        for thread in 0..threads {
            let exchange = platform.new_exchange(thread, threads);
            platform.threads.push(Thread { exchange, journal: BTreeMap::new() });
        }
        platform.settle();
        platform
    }

    pub(crate) fn new_exchange(&mut self, thread: u16, threads: u16) -> Exchange {
        let settings = Settings { owned: Owned::of_thread(thread, threads), ..self.settings.clone() };
        Exchange::new(settings, secret(), self.now)
    }

    pub(crate) fn add_user(&mut self, tenant: TenantId, realm: &str, name: &str) {
        let ha1 = |algorithm| {
            let hash =
                Ha1::new(algorithm, name.as_bytes(), realm.as_bytes(), password(name, realm).as_bytes());
            hash.hex().as_str().to_owned()
        };
        let user = User {
            tenant,
            name: name.into(),
            realm: realm.into(),
            ha1_md5: ha1(Algorithm::Md5),
            ha1_sha256: ha1(Algorithm::Sha256),
            display_name: format!("{name} of {realm}"),
            ..User::default()
        };
        self.office.users.insert((tenant, name.into()), user);
    }

    /// A message comes from a phone by way of the edge; what phones hear until all is quiet comes back.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<Sip> {
        let thread = self.thread_of(bytes);
        self.queue.push_back((thread, In::Sip(bytes.to_vec())));
        self.settle();
        std::mem::take(&mut self.said)
    }

    /// A message comes to this thread, whosever it is.
    pub(crate) fn hear_at(&mut self, thread: usize, bytes: &[u8]) -> Vec<Sip> {
        self.queue.push_back((thread, In::Sip(bytes.to_vec())));
        self.settle();
        std::mem::take(&mut self.said)
    }

    /// Another cell says this.
    pub(crate) fn hear_from(&mut self, cell: CellId, said: Beyond) {
        match said {
            Beyond::Message(shard, bytes) => self.queue.push_back((self.owner(shard), In::Sip(bytes))),
            Beyond::Question(thread, envelope) => {
                let number = 1_000 + self.asked_from.len() as u64 + 1_000 * u64::from(cell.0);
                self.asked_from.insert(number, (cell, thread, envelope.id));
                let owner = self.owner(envelope.shard.unwrap());
                self.queue.push_back((owner, In::Bus(Envelope { id: number, ..envelope })));
            }
            Beyond::Answer(thread, envelope) => self.queue.push_back((thread, In::Bus(envelope))),
        }
        self.settle();
    }

    pub(crate) fn tell(&mut self, input: In) {
        for thread in 0..self.threads.len() {
            self.queue.push_back((thread, input.clone()));
        }
        self.settle();
    }

    pub(crate) fn ask<C: Conversation>(&mut self, thread: usize, question: &C) -> C::Answer {
        let mut out = Outbox::new();
        let input = In::Bus(Envelope::request(99, None, question));
        self.recall(thread, Some(&input));
        self.threads[thread].exchange.handle(self.now, input, &mut out);
        let answer = out.emit.iter().find_map(|said| match said {
            Out::Bus(envelope) if envelope.kind == Kind::Answer && envelope.id == 99 => {
                Some(decode(&envelope.body).unwrap())
            }
            _ => None,
        });
        self.take(thread, out);
        self.settle();
        answer.expect("an answer")
    }

    pub(crate) fn gauge(&mut self, name: &str) -> f64 {
        let threads = self.threads.len();
        let values = (0..threads).flat_map(|thread| self.ask(thread, &Gauge {}).values).collect::<Vec<_>>();
        values.iter().filter(|(known, _)| known == name).map(|(_, value)| value).sum()
    }

    /// What the office answered when it was slow arrives; what phones hear comes back.
    pub(crate) fn late_answers_come(&mut self) -> Vec<Sip> {
        let late = self.office.late.drain(..).map(|(thread, answer)| (thread, In::Bus(answer)));
        self.queue.extend(late);
        self.settle();
        std::mem::take(&mut self.said)
    }

    /// Lets time pass, deadline by deadline; what phones hear comes back.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Sip> {
        let end = self.now.after(time);
        loop {
            let next = self.threads.iter().filter_map(|thread| thread.exchange.next_deadline()).min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
            self.settle();
        }
        self.now = end;
        std::mem::take(&mut self.said)
    }

    fn settle(&mut self) {
        if self.threads.iter().all(|thread| thread.journal.is_empty()) {
            for thread in 0..self.threads.len() {
                let mut out = Outbox::new();
                self.threads[thread].exchange.resume(self.now, &mut out);
                self.take(thread, out);
            }
        }
        for _ in 0..100_000 {
            if let Some((thread, input)) = self.queue.pop_front() {
                let mut out = Outbox::new();
                self.recall(thread, Some(&input));
                let begin = (self.stopwatch)();
                self.threads[thread].exchange.handle(self.now, input, &mut out);
                self.spent += (self.stopwatch)() - begin;
                self.take(thread, out);
                continue;
            }
            let due = |thread: &Thread| thread.exchange.next_deadline().is_some_and(|at| at <= self.now);
            let Some(thread) = self.threads.iter().position(due) else { return };
            let mut out = Outbox::new();
            self.recall(thread, None);
            let begin = (self.stopwatch)();
            self.threads[thread].exchange.expire(self.now, &mut out);
            self.spent += (self.stopwatch)() - begin;
            self.take(thread, out);
        }
        panic!("the platform never comes to rest");
    }

    /// After a restart: the bindings that are missed are restored, and they alone.
    fn recall(&mut self, thread: usize, input: Option<&In>) {
        let Thread { exchange, journal } = &mut self.threads[thread];
        let missed = match input {
            Some(In::Sip(bytes)) => exchange.missed_by_message(bytes),
            Some(In::Bus(envelope)) => exchange.missed_by_envelope(envelope),
            Some(In::Owned(_)) => Missed::Everything,
            Some(In::Pressure(_) | In::Media(_) | In::Cells(_) | In::Adopt(_)) => Missed::Nothing,
            None => exchange.missed_by_route(self.now),
        };
        if missed == Missed::Everything {
            let bindings = journal.values().filter(|record| record.tag == kept::BINDINGS);
            bindings.for_each(|record| assert_eq!(exchange.restore(record.clone()), Restored::Taken));
            exchange.complete();
        }
        if let Missed::Binding(key) = missed {
            let (tag, shard) = (kept::BINDINGS, Shard::default());
            let nothing = Record { tag, shard, key, body: Vec::new() };
            let record = journal.get(&(tag, key)).cloned().unwrap_or(nothing);
            assert_eq!(exchange.restore(record), Restored::Taken);
            assert_eq!(self.threads[thread].exchange.missed_by_route(self.now), Missed::Nothing);
        }
    }

    fn take(&mut self, thread: usize, out: Outbox<Out>) {
        for record in out.keep {
            self.kept_bytes += record.body.len();
            self.kept_records += 1;
            let place = (record.tag, record.key);
            let journal = &mut self.threads[thread].journal;
            if record.body.is_empty() {
                journal.remove(&place)
            } else {
                journal.insert(place, record)
            };
        }
        for said in out.emit {
            match said {
                Out::Sip { bytes, .. } => {
                    let message = Message::parse(bytes).expect("SIP");
                    if message.status() != Some(Status::BAD_REQUEST) {
                        message.check().expect("good SIP");
                    }
                    self.said.push(message);
                }
                Out::Forward { shard, bytes } if !shard.cell().is_home() => {
                    self.beyond.push((shard.cell(), Beyond::Message(shard.at_home(), bytes)));
                }
                Out::Heard { .. } | Out::Moving { .. } => {}
                Out::Forward { shard, bytes } => {
                    self.queue.push_back((self.owner(shard), In::Sip(bytes)));
                }
                Out::Bus(envelope) => self.carry(thread, envelope),
            }
        }
    }

    fn owner(&self, shard: Shard) -> usize {
        usize::from(shard.thread(self.threads.len() as u16))
    }

    fn carry(&mut self, thread: usize, envelope: Envelope) {
        match (envelope.kind, envelope.shard) {
            (Kind::Request, Some(shard)) if !shard.cell().is_home() => {
                let envelope = Envelope { shard: Some(shard.at_home()), ..envelope };
                self.beyond.push((shard.cell(), Beyond::Question(thread, envelope)));
            }
            (Kind::Request, Some(shard)) => {
                // Of the exchange: the answer must find back, so the asker stands in the number.
                let owner = self.owner(shard);
                let mut out = Outbox::new();
                let asked = Envelope { id: 7, ..envelope.clone() };
                self.threads[owner].exchange.handle(self.now, In::Bus(asked), &mut out);
                for said in out.emit {
                    let Out::Bus(answer) = said else { panic!("{said:?}") };
                    self.queue.push_back((thread, In::Bus(Envelope { id: envelope.id, ..answer })));
                }
            }
            (Kind::Request, None) => {
                self.office.asked.push(envelope.subject.clone());
                let answer = self.office.answer(&envelope).filter(|_| self.office.is_there);
                if let (Some(answer), true) = (&answer, self.office.is_slow) {
                    self.office.late.push((thread, answer.clone()));
                } else if let Some(answer) = answer {
                    self.queue.push_back((thread, In::Bus(answer)));
                }
            }
            (Kind::Notice, _) => self.office.events.extend(decode::<CallEvent>(&envelope.body)),
            (Kind::Answer, _) => {
                if let Some((cell, thread, id)) = self.asked_from.remove(&envelope.id) {
                    self.beyond.push((cell, Beyond::Answer(thread, Envelope { id, ..envelope })));
                }
            }
        }
    }

    /// What an identifier of ours in a message says.
    fn token_of(&self, message: &Message<&[u8]>) -> Option<machine::Token> {
        let token = |tag: Option<&str>| self.mint.read(machine::Kind::Tag, tag?.as_bytes());
        match message.is_request() {
            true => message.to().ok().and_then(|to| token(to.tag())),
            false => message.from().ok().and_then(|from| token(from.tag())),
        }
    }

    /// Which cell an edge would choose.
    pub(crate) fn cell_of(&self, bytes: &[u8]) -> CellId {
        let message = Message::parse(bytes).ok();
        message.and_then(|message| self.token_of(&message)).map_or(CellId::HOME, |token| token.shard.cell())
    }

    /// Which thread an edge would choose.
    fn thread_of(&self, bytes: &[u8]) -> usize {
        let Ok(message) = Message::parse(bytes) else { return 0 };
        let ours = self.token_of(&message);
        if let Some(token) = ours {
            return self.owner(token.shard);
        }
        if let (Some(Method::Register), Ok(to)) = (message.method(), message.to()) {
            let tenant = if to.uri.host == sip::Host::Name("blue.example") { BLUE } else { RED };
            let user = to.uri.user.unwrap_or_default();
            return self.owner(sharding::binding_shard(&self.hash, tenant, user));
        }
        message.call_id().map_or(0, |call_id| self.owner(sharding::call_shard(&self.hash, call_id)))
    }

    /// What is due next in thread 0.
    pub(crate) fn due(&self) -> Option<(Tag, Key)> {
        self.threads[0].exchange.due()
    }

    /// Thread 0 can't decide about `thing` any more.
    pub(crate) fn abandon(&mut self, (tag, key): (Tag, Key)) -> Vec<Sip> {
        let mut out = Outbox::new();
        self.threads[0].exchange.abandon(self.now, tag, key, &mut out);
        self.take(0, out);
        self.settle();
        std::mem::take(&mut self.said)
    }

    /// All threads die, and successors go on from what was kept; they get bindings when they miss them.
    pub(crate) fn restart(&mut self) {
        let threads = self.threads.len() as u16;
        for number in 0..threads {
            let mut exchange = self.new_exchange(number, threads);
            let thread = &mut self.threads[usize::from(number)];
            let bindings = |record: &&Record| record.tag == kept::BINDINGS;
            exchange.expect(kept::BINDINGS, thread.journal.values().filter(bindings).count());
            for record in thread.journal.values().filter(|record| !bindings(record)) {
                assert_eq!(exchange.restore(record.clone()), Restored::Taken);
            }
            let mut out = Outbox::new();
            exchange.resume(self.now, &mut out);
            thread.exchange = exchange;
            self.take(usize::from(number), out);
        }
        self.settle();
    }
}

impl Office {
    fn answer(&mut self, envelope: &Envelope) -> Option<Envelope> {
        let (id, body) = (envelope.id, &envelope.body[..]);
        let money = |micros| Money { micros, currency: "EUR".into() };
        Some(match envelope.subject.as_str() {
            "api.tenants" => Envelope::answer::<ListTenants>(id, &self.tenants),
            "api.look_up" => Envelope::answer::<LookUp>(id, &self.look_up(&decode(body).unwrap())),
            "api.keep_records" => {
                let Keep { records } = decode(body).unwrap();
                if !self.is_there {
                    return None;
                }
                let ids = records.iter().map(|record| record.id).collect();
                self.records.extend(records);
                Envelope::answer::<Keep>(id, &Kept { ids })
            }
            "media.anchor" => {
                let wish: Anchor = decode(body).unwrap();
                let node = envelope.node.unwrap_or_default();
                let at = |port| ([192, 0, 2, 99 + node.0 as u8], port).into();
                let port = |leg: u8| LegPort {
                    leg,
                    rtp: at(30_000 + u16::from(leg) * 2),
                    rtcp: at(30_001 + u16::from(leg) * 2),
                };
                let legs = wish.legs.iter().map(|wish| port(wish.leg)).collect();
                Envelope::answer::<Anchor>(id, &Anchored::Ready { node, legs })
            }
            "media.release" => Envelope::answer::<Release>(id, &Released::default()),
            "billing.reserve" => {
                let reserve: Reserve = decode(body).unwrap();
                let granted = Reserved::Granted { seconds: reserve.seconds, amount: money(10) };
                Envelope::answer::<Reserve>(id, &granted)
            }
            "billing.settle" => {
                let settled = Settled { reserved: money(10), charged: money(4), released: money(6) };
                Envelope::answer::<Settle>(id, &settled)
            }
            "apps.happened" => {
                let happened: Happened = decode(body).unwrap();
                let instructions = match happened.event {
                    contract::app::Event::Offered { .. } => vec![Instruction::Answer],
                    _ => Vec::new(),
                };
                Envelope::answer::<Happened>(id, &Instructions { position: Vec::new(), instructions })
            }
            strange => panic!("nobody answers {strange}"),
        })
    }

    fn look_up(&self, asked: &LookUp) -> Found {
        let place = (asked.tenant, asked.name.clone());
        if let Some(&cell) = self.homes.get(&place) {
            return Found::Elsewhere { cell };
        }
        if let Some(user) = self.users.get(&place) {
            return Found::User(user.clone());
        }
        match self.numbers.get(&place) {
            Some(to) => {
                Found::Number(Number { tenant: asked.tenant, number: asked.name.clone(), to: to.clone() })
            }
            None => Found::Nobody,
        }
    }

    /// How often this was asked.
    pub(crate) fn times(&self, subject: &str) -> usize {
        self.asked.iter().filter(|asked| *asked == subject).count()
    }
}

fn tenants() -> Tenants {
    let tenant = |id, name: &str, fallback| Tenant {
        id,
        name: name.into(),
        domains: vec![format!("{name}.example")],
        fallback,
    };
    Tenants { tenants: vec![tenant(RED, "red", true), tenant(BLUE, "blue", false)] }
}

pub(crate) fn password(user: &str, domain: &str) -> String {
    format!("what {user} of {domain} knows")
}
