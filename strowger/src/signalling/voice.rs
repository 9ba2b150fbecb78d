//! What a signalling machine says is carried out here: the one exhaustive match.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus::{Mailbox as _, Peer};
use contract::cluster::View;
use contract::query::{Gauge, Gauges, Ladder, Rung, ShowLadder};
use contract::{CallId, CellId, Conversation, Envelope, Kind};
use edge::Flow;
use edge_service::{Front, Source};
use exchange::Exchange;
use exchange_service::LadderRing;
use host::{Beat, Blame, Damage, Shell};
use machine::{Key, Moment, Owned, Shard, Tag};
use peering::{Hosts, Peer as Neighbour, Wire};
use strowger_io::{MappedFile, Poller};
use worker::{In, Out, Said, Signalling};

use super::lines::Lines;
use super::mailbox::{Letter, Mailbox};
use crate::across::{Across, Postbox};

/// How many inputs all threads of this process have set aside.
static SET_ASIDE: AtomicU64 = AtomicU64::new(0);

/// Who asked something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    /// Somebody on the bus.
    OnBus(Peer),
    /// An exchange of another host.
    Neighbour(Neighbour),
}

/// Everything around the machine of one thread.
pub(crate) struct Voice {
    pub(crate) poller: Poller,
    pub(crate) front: Front,
    pub(crate) bus: Postbox,
    pub(crate) across: Option<Across>,
    pub(crate) ladder: LadderRing<MappedFile>,
    pub(crate) mailboxes: Arc<Vec<Mailbox>>,
    pub(crate) number: u16,
    /// The other hosts, if there are any or this one speaks to itself over the wire; and the lines to them.
    pub(crate) hosts: Option<Hosts>,
    pub(crate) lines: Option<Lines>,
    pub(crate) quarantine: PathBuf,
    pub(crate) askers: BTreeMap<u64, (Asker, bool)>,
    pub(crate) next_asker: u64,
    pub(crate) own: VecDeque<In>,
    pub(crate) set_aside: u64,
    pub(crate) beat: Beat,
    pub(crate) gauges: Vec<(String, f64)>,
}

impl Voice {
    /// An envelope came: some are answered here, the others are for the machine.
    pub(crate) fn hear(&mut self, from: Asker, envelope: Envelope, exchange: &Exchange) -> Option<In> {
        if envelope.kind != Kind::Request {
            let envelope = match &mut self.hosts {
                Some(hosts) => hosts.hear(envelope)?,
                None => envelope,
            };
            return Some(In::Bus(0, envelope));
        }
        if envelope.subject == ShowLadder::SUBJECT.to_string() {
            let asked: ShowLadder = contract::decode(&envelope.body).unwrap_or_default();
            let ladder = Ladder { rungs: self.rungs(asked.call, exchange) };
            self.tell(from, Envelope::answer::<ShowLadder>(envelope.id, &ladder));
            return None;
        }
        let is_gauge = envelope.subject == Gauge::SUBJECT.to_string();
        self.next_asker += 1;
        self.askers.insert(self.next_asker, (from, is_gauge));
        Some(In::Bus(self.next_asker, envelope))
    }

    /// From now on, what is said anywhere to the owners of these shards is heard here; whoever asks where somebody is
    /// goes by `view`.
    pub(crate) fn own_on_bus(&self, owned: &Owned, view: &View) {
        self.bus.own(owned.all());
        if let Some(across) = &self.across {
            across.views().learn(view.clone());
        }
    }

    /// What was said in a call, and before it: while its caller was asked who it is.
    fn rungs(&self, call: CallId, exchange: &Exchange) -> Vec<Rung> {
        let mut rungs = self.ladder.of(call);
        let first = rungs.first().and_then(|rung| sip::Message::parse(&rung.message[..]).ok());
        let mut before = first
            .and_then(|message| exchange.attempt(&message))
            .map(|attempt| self.ladder.of(attempt))
            .unwrap_or_default();
        if !before.is_empty() {
            before.append(&mut rungs);
            before.sort_by_key(|rung| rung.at);
            return before;
        }
        rungs
    }

    fn answer(&mut self, asker: u64, mut envelope: Envelope) {
        let Some((asker, is_gauge)) = self.askers.remove(&asker) else { return };
        if is_gauge && let Ok(mut gauges) = contract::decode::<Gauges>(&envelope.body) {
            gauges.values.append(&mut self.gauges.clone());
            envelope.body = contract::encode(&gauges);
        }
        self.tell(asker, envelope);
    }

    fn tell(&mut self, asker: Asker, envelope: Envelope) {
        match asker {
            Asker::OnBus(peer) => {
                if let Err(error) = self.bus.answer(peer, &envelope) {
                    tracing::debug!(%error, "an answer was not taken");
                }
            }
            Asker::Neighbour(peer) => {
                // If it can't be reached, it will ask again.
                let _ = self.hosts.as_mut().map(|it| it.neighbours_mut().ask(peer, envelope));
            }
        }
    }

    /// Asks whoever owns the shard, directly; everybody else on the bus.
    fn ask(&mut self, envelope: Envelope) {
        let envelope = match &mut self.hosts {
            Some(hosts) => hosts.ask(envelope),
            None => Some(envelope),
        };
        if let Some(envelope) = envelope {
            self.send_on_bus(&envelope);
        }
    }

    pub(crate) fn send_on_bus(&mut self, envelope: &Envelope) {
        if let Err(error) = self.bus.send(envelope) {
            tracing::debug!(subject = envelope.subject, %error, "not sent on the bus");
        }
    }

    /// Sends what goes out to the world by whoever has its way, once a buddy knows of it.
    fn send_out(&mut self, now: Moment, wire: Wire, shard: Option<Shard>, bytes: Vec<u8>) {
        match &mut self.hosts {
            Some(hosts) => hosts.say(wire, shard, bytes),
            None => self.send_here(now, wire, bytes),
        }
    }

    /// Sends what goes out to the world from this host.
    pub(crate) fn send_here(&mut self, now: Moment, wire: Wire, bytes: Vec<u8>) {
        let Wire { listener, thread, remote, otherwise, cell: _ } = wire;
        let owner = usize::from(thread);
        if self.front.is_stream(listener) && owner != usize::from(self.number) && owner < self.mailboxes.len()
        {
            if !self.mailboxes[owner].post(Letter::Outward(wire, bytes)) {
                tracing::warn!(thread, "a thread's mailbox is full");
            }
            return;
        }
        let flow = Flow { listener, thread, remote };
        if self.front.send(flow, otherwise, &bytes, now, &self.poller).is_err() {
            self.own.push_back(In::Unsent(bytes));
        }
    }

    /// Brings a message to the exchange that owns `shard`.
    pub(crate) fn send_inward(&mut self, now: Moment, shard: Shard, bytes: Vec<u8>) {
        match &mut self.hosts {
            Some(hosts) => hosts.send_inward(now, shard, bytes),
            None => self.post(shard.thread(self.mailboxes.len() as u16), shard, bytes),
        }
    }

    pub(crate) fn post(&mut self, thread: u16, shard: Shard, bytes: Vec<u8>) {
        if !self.mailboxes[usize::from(thread)].post(Letter::Inward(shard, bytes)) {
            tracing::warn!(%shard, "a thread's mailbox is full");
        }
    }

    fn note(&mut self, now: Moment, said: Option<&Said>, to_us: bool, bytes: &[u8]) {
        if let Some(said) = said {
            if tracing::enabled!(tracing::Level::DEBUG) {
                log(said, to_us, bytes);
            }
            self.ladder.push(said.call, now, &said.party, to_us, bytes);
        }
    }
}

/// A line for each message of a call, if somebody wants it.
fn log(said: &Said, to_us: bool, bytes: &[u8]) {
    let Ok(message) = sip::Message::parse(bytes) else { return };
    let call_id = String::from_utf8_lossy(message.call_id().unwrap_or_default());
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let way = if to_us { "from" } else { "to" };
    let said_line = String::from_utf8_lossy(line);
    tracing::debug!(call = %said.call, %call_id, way, party = %said.party, "{said_line}");
}

impl Shell<Signalling> for Voice {
    fn decode(&mut self, _now: Moment, source: &[u8], bytes: &[u8]) -> Option<In> {
        match Source::read(source)? {
            Source::World(flow) => Some(In::World { flow, bytes: bytes.to_vec() }),
            Source::Hop => Some(In::Hop(bytes.to_vec())),
        }
    }

    fn encode(&mut self, out: &Out, kept: &mut Vec<u8>) {
        // What goes out to the world is kept as: length of the source, source, message.
        let (flow, bytes) = match out {
            Out::World { flow, bytes, .. } => (flow, bytes),
            // What goes out by another cell has 0 and its number in front.
            Out::Through { cell, flow, bytes, .. } => {
                kept.extend_from_slice(&[0, cell.0]);
                (flow, bytes)
            }
            Out::Hop { .. } | Out::Bus(_) | Out::Answer(..) | Out::Heard { .. } | Out::Moving { .. } => {
                return;
            }
        };
        let (source, length) = Source::World(*flow).write();
        kept.push(length as u8);
        kept.extend_from_slice(&source[..length]);
        kept.extend_from_slice(bytes);
    }

    fn perform(&mut self, now: Moment, out: Out) {
        match out {
            Out::World { flow, otherwise, bytes, said } => {
                self.note(now, said.as_ref(), false, &bytes);
                let Flow { listener, thread, remote } = flow;
                let wire = Wire { listener, thread, remote, otherwise, cell: CellId::HOME };
                self.send_out(now, wire, said.and_then(|said| said.shard), bytes);
            }
            Out::Through { cell, flow: Flow { listener, thread, remote }, bytes, said } => {
                self.note(now, said.as_ref(), false, &bytes);
                let wire = Wire { listener, thread, remote, otherwise: None, cell };
                self.send_out(now, wire, said.and_then(|said| said.shard), bytes);
            }
            Out::Hop { shard, bytes } => self.send_inward(now, shard, bytes),
            Out::Bus(envelope) => self.ask(envelope),
            Out::Answer(asker, envelope) => self.answer(asker, envelope),
            Out::Moving { call, from, how } => {
                let (from, to, reason) = (from.0, how.to.0, how.reason.name());
                tracing::info!(%call, from, to, reason, "a call's audio moves");
            }
            Out::Heard { bytes, said } => self.note(now, Some(&said), true, &bytes),
        }
    }

    fn perform_again(&mut self, now: Moment, kept: &[u8]) {
        let (cell, kept) = match kept {
            &[0, cell, ref kept @ ..] => (CellId(cell), kept),
            kept => (CellId::HOME, kept),
        };
        let read = kept.split_first().and_then(|(&length, rest)| {
            let (source, bytes) = rest.split_at_checked(usize::from(length))?;
            Some((Source::read(source)?, bytes))
        });
        if let Some((Source::World(Flow { listener, thread, remote }), bytes)) = read {
            let (wire, bytes) = (Wire { listener, thread, remote, otherwise: None, cell }, bytes.to_vec());
            self.send_out(now, wire, None, bytes);
        }
    }

    fn set_aside(&mut self, source: &[u8], bytes: &[u8], blame: Blame) {
        self.set_aside += 1;
        let from = match Source::read(source) {
            Some(Source::World(flow)) => flow.remote.to_string(),
            Some(Source::Hop) => "another thread".to_owned(),
            None => "within".to_owned(),
        };
        let number = SET_ASIDE.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}-{number}.sip", std::process::id());
        let written =
            fs::create_dir_all(&self.quarantine).and_then(|()| fs::write(self.quarantine.join(&name), bytes));
        let call_id = sip::Message::parse(bytes)
            .ok()
            .and_then(|message| message.call_id().ok().map(|id| String::from_utf8_lossy(id).into_owned()));
        tracing::warn!(from, ?blame, ?call_id, file = name, kept = written.is_ok(), "an input was set aside");
    }

    fn alive(&mut self) {
        self.beat.tick();
    }

    fn lost(&mut self, tag: Tag, key: Key, message: String) {
        tracing::warn!(?tag, ?key, message, "a record could not be restored");
    }

    fn damaged(&mut self, damage: Damage) {
        tracing::warn!(?damage, "a record is not as it was written: it is lost");
    }
}
