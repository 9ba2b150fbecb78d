use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use apps::Apps;
use contract::account::Tenants;
use contract::domains::Domains;
use contract::moving::Move;
use contract::{CallId, CellId, Envelope, Kind, NodeId, Role};
use edge::{Edge, Flow, Inbound, Listener, Outbound};
use exchange::{Cells, Exchange, Missed, kept};
use journal::{Cause, Durable, Entry, Missing, When};
use machine::{Key, Machine, Moment, Outbox, Owned, Record, Secret, Shard, Tag};
use peering::Going;

use crate::Hop;

/// Leads the answer to a request back to whoever asked; the driver chooses it.
pub type Asker = u64;

/// What one signalling thread is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its edge hears, in the order that flow tokens count.
    pub listeners: Vec<Listener>,
    /// How its exchange behaves.
    pub exchange: exchange::Settings,
    /// How the two reach each other.
    pub hop: Hop,
}

/// What can happen to a signalling thread.
#[derive(Clone, Debug, PartialEq)]
pub enum In {
    /// A SIP message came from the world.
    World {
        /// By which way.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
    },
    /// An edge brought a message to the exchange here.
    Hop(Vec<u8>),
    /// What was to go out to the world did not: there is no connection any more. As it was to go out.
    Unsent(Vec<u8>),
    /// An answer or a notice came on the bus, or a request whose answer goes to the asker.
    Bus(Asker, Envelope),
    /// So long has the oldest message waited that is still to be looked at.
    Pressure(Duration),
    /// From now on the exchange here owns these shards.
    Owned(Owned),
    /// Something that another owner kept lives in a shard of the exchange here now.
    Adopt(Record),
    /// These media nodes are there, the best for new calls first.
    Media(Vec<NodeId>),
    /// These other cells answer.
    Cells(Cells),
    /// An exchange of another cell says this by an edge of ours, as it would by its own.
    Through(Vec<u8>),
}

impl In {
    /// What a thread is told when other shards are its own from now on, in this order.
    pub fn going(going: Going) -> Vec<In> {
        let Going { media, owned, adopted, .. } = going;
        let known = media.map(In::Media).into_iter().chain([In::Owned(owned)]);
        known.chain(adopted.into_iter().map(In::Adopt)).collect()
    }
}

/// What a signalling thread wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// A SIP message goes out to the world.
    World {
        /// By this way.
        flow: Flow,
        /// If that was a connection and it is gone: one may be made to here.
        otherwise: Option<SocketAddr>,
        /// The message.
        bytes: Vec<u8>,
        /// In which call it is said.
        said: Option<Said>,
    },
    /// An edge of another cell must send this out: it has the flow. As the exchange said it.
    Through {
        /// Which cell.
        cell: CellId,
        /// The flow, as it is known there.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
        /// In which call it is said.
        said: Option<Said>,
    },
    /// The exchange that owns the shard must get this message, in whichever cell.
    Hop {
        /// Whose.
        shard: Shard,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A request or a notice for the bus.
    Bus(Envelope),
    /// The answer to a request that came on the bus.
    Answer(Asker, Envelope),
    /// A call's audio is on its way to another media node.
    Moving {
        /// Which call.
        call: CallId,
        /// From where.
        from: NodeId,
        /// To where, and why.
        how: Move,
    },
    /// A message that came belongs to a call.
    Heard {
        /// The message.
        bytes: Vec<u8>,
        /// To which, from whom.
        said: Said,
    },
}

/// In which call, and with whom, a message was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The call.
    pub call: CallId,
    /// In which shard it lives, once it is one.
    pub shard: Option<Shard>,
    /// `caller`, or the callee's contact.
    pub party: String,
}

/// Edge, exchange and apps of one thread.
#[derive(Debug)]
pub struct Signalling {
    edge: Edge,
    exchange: Exchange,
    apps: Apps,
    owned: Owned,
    cells: Cells,
    hop: Hop,
    /// What the exchange has still to hear within this turn.
    to_exchange: VecDeque<exchange::In>,
    said: Outbox<exchange::Out>,
    instructions: Outbox<Envelope>,
    /// Requests that the exchange here has not answered: the number it knows them by, and whose they are.
    tickets: BTreeMap<u64, Ticket>,
    next_ticket: u64,
    room: Vec<u8>,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
enum Ticket {
    /// The exchange's own question about one of its own shards.
    Own(u64),
    /// Somebody else's.
    Other(Asker, u64),
}

impl Signalling {
    /// Knows nothing yet: restore it, then resume it.
    pub fn new(settings: Settings, secret: Secret, now: Moment) -> Self {
        let owned = settings.exchange.owned.clone();
        Signalling {
            edge: Edge::new(settings.listeners, secret.clone()).of_cell(settings.exchange.cell),
            cells: settings.exchange.cells,
            exchange: Exchange::new(settings.exchange, secret, now),
            apps: Apps::new(),
            owned,
            hop: settings.hop,
            to_exchange: VecDeque::new(),
            said: Outbox::new(),
            instructions: Outbox::new(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
            room: Vec::new(),
            dropped: 0,
        }
    }

    /// Messages from and to the world that went nowhere.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The edge within, to look at.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Which shards its exchange owns.
    pub fn owned(&self) -> &Owned {
        &self.owned
    }

    /// The exchange within, to look at.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    fn take_in(&mut self, flow: Flow, bytes: &[u8], out: &mut Outbox<Out>) {
        let mut room = std::mem::take(&mut self.room);
        match self.edge.inbound(flow, bytes, &mut room) {
            Inbound::ToOwner(shard) if self.hop == Hop::Pipe && self.owned.owns(shard) => {
                self.to_exchange.push_back(exchange::In::Sip(room.clone()));
            }
            Inbound::ToOwner(shard) => out.emit(Out::Hop { shard, bytes: room.clone() }),
            // Written by the edge itself: it goes back the way the request came.
            Inbound::Answer => {
                out.emit(Out::World { flow, otherwise: None, bytes: room.clone(), said: None });
            }
            Inbound::Drop(_) => self.dropped += 1,
        }
        self.room = room;
    }

    fn send_out(&mut self, bytes: &[u8], said: Option<Said>, out: &mut Outbox<Out>) {
        let mut room = std::mem::take(&mut self.room);
        let mut sent = self.edge.outbound(bytes, &mut room);
        if let Outbound::Elsewhere { cell, .. } = sent
            && !self.cells.reaches(cell)
        {
            sent = self.edge.unsent_elsewhere(bytes, &mut room);
        }
        self.leave(sent, &room, said, out);
        self.room = room;
    }

    /// Sends out what another cell says by an edge of ours; what is for yet another one has lost its way.
    fn pass(&mut self, bytes: &[u8], out: &mut Outbox<Out>) {
        let mut room = std::mem::take(&mut self.room);
        match self.edge.outbound(bytes, &mut room) {
            Outbound::Elsewhere { .. } => self.dropped += 1,
            sent => self.leave(sent, &room, None, out),
        }
        self.room = room;
    }

    fn leave(&mut self, sent: Outbound, room: &[u8], said: Option<Said>, out: &mut Outbox<Out>) {
        match sent {
            Outbound::Send { flow, otherwise } => {
                out.emit(Out::World { flow, otherwise, bytes: room.to_vec(), said });
            }
            Outbound::Elsewhere { cell, flow } => {
                out.emit(Out::Through { cell, flow, bytes: room.to_vec(), said });
            }
            Outbound::Answer => self.hand_inward(room.to_vec(), out),
            Outbound::Drop(_) => self.dropped += 1,
        }
    }

    /// The edge's own answer to a request of the exchange.
    fn hand_inward(&mut self, answer: Vec<u8>, out: &mut Outbox<Out>) {
        match (self.edge.shard_of_answer(&answer), self.hop) {
            (Some(shard), Hop::Pipe) if self.owned.owns(shard) => {
                self.to_exchange.push_back(exchange::In::Sip(answer));
            }
            (Some(shard), _) => out.emit(Out::Hop { shard, bytes: answer }),
            (None, _) => self.dropped += 1,
        }
    }

    fn unsent(&mut self, wire: &[u8], out: &mut Outbox<Out>) {
        let mut room = std::mem::take(&mut self.room);
        let answer = self.edge.unsent(wire, &mut room);
        self.leave(answer, &room, None, out);
        self.room = room;
    }

    fn bus(&mut self, asker: Asker, mut envelope: Envelope, out: &mut Outbox<Out>) {
        if envelope.kind == Kind::Request {
            if Role::of(&envelope.subject) == Some(Role::Apps) {
                let id = envelope.id;
                self.ask_apps(envelope, |answer| out.emit(Out::Answer(asker, Envelope { id, ..answer })));
                return;
            }
            // The shard's owner knows; who asks will ask again.
            if envelope.shard.is_some_and(|shard| !self.owned.owns(shard)) {
                return;
            }
            envelope.id = self.ticket(Ticket::Other(asker, envelope.id));
        }
        self.to_exchange.push_back(exchange::In::Bus(envelope));
    }

    fn ticket(&mut self, ticket: Ticket) -> u64 {
        self.next_ticket += 1;
        self.tickets.insert(self.next_ticket, ticket);
        self.next_ticket
    }

    fn ask_apps(&mut self, request: Envelope, mut told: impl FnMut(Envelope)) {
        self.apps.handle(Moment::START, request, &mut self.instructions);
        self.instructions.emit.drain(..).for_each(&mut told);
    }

    /// Lets the exchange hear all it has to, and carries out what it says, until it is quiet.
    fn settle(&mut self, now: Moment, out: &mut Outbox<Out>) {
        loop {
            self.carry_out(out);
            let Some(input) = self.to_exchange.pop_front() else { return };
            self.exchange.handle(now, input, &mut self.said);
        }
    }

    fn carry_out(&mut self, out: &mut Outbox<Out>) {
        for record in self.said.keep.drain(..) {
            if record.tag == kept::TENANTS {
                learn(&mut self.edge, &record.body);
            }
            out.keep(record);
        }
        let mut said = std::mem::take(&mut self.said.emit);
        for what in said.drain(..) {
            self.carry_out_one(what, out);
        }
        self.said.emit = said;
    }

    fn carry_out_one(&mut self, what: exchange::Out, out: &mut Outbox<Out>) {
        match what {
            exchange::Out::Sip { bytes, rung } => {
                self.send_out(&bytes, rung.map(Said::from), out);
            }
            exchange::Out::Heard { bytes, rung } => out.emit(Out::Heard { bytes, said: rung.into() }),
            exchange::Out::Forward { shard, bytes } => out.emit(Out::Hop { shard, bytes }),
            exchange::Out::Moving { call, from, how } => out.emit(Out::Moving { call, from, how }),
            exchange::Out::Bus(envelope) => self.exchange_says(envelope, out),
        }
    }

    fn exchange_says(&mut self, mut envelope: Envelope, out: &mut Outbox<Out>) {
        match (envelope.kind, Role::of(&envelope.subject)) {
            (Kind::Answer, _) => match self.tickets.remove(&envelope.id) {
                Some(Ticket::Own(id)) => {
                    envelope.id = id;
                    self.to_exchange.push_back(exchange::In::Bus(envelope));
                }
                Some(Ticket::Other(asker, id)) => {
                    envelope.id = id;
                    out.emit(Out::Answer(asker, envelope));
                }
                None => {}
            },
            (Kind::Request, Some(Role::Apps)) => {
                let mut heard = VecDeque::new();
                self.ask_apps(envelope, |answer| heard.push_back(exchange::In::Bus(answer)));
                self.to_exchange.append(&mut heard);
            }
            (Kind::Request, Some(Role::Exchange))
                if envelope.shard.is_some_and(|shard| self.owned.owns(shard)) =>
            {
                envelope.id = self.ticket(Ticket::Own(envelope.id));
                self.to_exchange.push_back(exchange::In::Bus(envelope));
            }
            (Kind::Request | Kind::Notice, _) => out.emit(Out::Bus(envelope)),
        }
    }
}

fn learn(edge: &mut Edge, body: &[u8]) {
    if let Ok(tenants) = contract::decode::<Tenants>(body) {
        edge.learn(Domains::new(tenants));
    }
}

impl From<exchange::Rung> for Said {
    fn from(rung: exchange::Rung) -> Self {
        Said { call: rung.call, shard: rung.shard, party: rung.party }
    }
}

impl Machine for Signalling {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Moment, input: In, out: &mut Outbox<Out>) {
        match input {
            In::World { flow, bytes } => self.take_in(flow, &bytes, out),
            In::Hop(bytes) => self.to_exchange.push_back(exchange::In::Sip(bytes)),
            In::Unsent(bytes) => self.unsent(&bytes, out),
            In::Bus(asker, envelope) => self.bus(asker, envelope, out),
            In::Pressure(waited) => self.to_exchange.push_back(exchange::In::Pressure(waited)),
            In::Owned(owned) => {
                self.owned = owned.clone();
                self.to_exchange.push_back(exchange::In::Owned(owned));
            }
            In::Adopt(record) => self.to_exchange.push_back(exchange::In::Adopt(record)),
            In::Media(nodes) => self.to_exchange.push_back(exchange::In::Media(nodes)),
            In::Cells(cells) => {
                self.cells = cells;
                self.to_exchange.push_back(exchange::In::Cells(cells));
            }
            In::Through(bytes) => self.pass(&bytes, out),
        }
        self.settle(now, out);
    }

    fn expire(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.exchange.expire(now, &mut self.said);
        self.settle(now, out);
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.exchange.next_deadline()
    }
}

impl Durable for Signalling {
    fn expect(&mut self, tag: Tag, count: usize) {
        self.exchange.expect(tag, count);
    }

    fn when(&self, tag: Tag) -> When {
        match tag {
            kept::BINDINGS => When::Missed,
            // One that is not known is asked for.
            kept::ACCOUNT => When::Whenever,
            Tag(_) => When::AtOnce,
        }
    }

    fn missing(&self, now: Moment, input: Option<&In>) -> Missing {
        let missed = match input {
            Some(In::World { bytes, .. } | In::Hop(bytes)) => self.exchange.missed_by_message(bytes),
            Some(In::Bus(_, envelope)) => self.exchange.missed_by_envelope(envelope),
            // What lives in shards that go, and in those that come, must be known.
            Some(In::Owned(_)) => Missed::Everything,
            Some(
                In::Unsent(_) | In::Pressure(_) | In::Adopt(_) | In::Media(_) | In::Cells(_) | In::Through(_),
            ) => Missed::Nothing,
            None => self.exchange.missed_by_route(now),
        };
        match missed {
            Missed::Nothing => Missing::Nothing,
            Missed::Binding(key) => Missing::Thing(kept::BINDINGS, key),
            Missed::Everything => Missing::Everything,
        }
    }

    fn complete(&mut self) {
        self.exchange.complete();
    }

    fn restore(&mut self, _now: Moment, entry: Entry<'_>) {
        if entry.tag == kept::TENANTS {
            learn(&mut self.edge, entry.body);
        }
        let Entry { tag, shard, key, body } = entry;
        self.exchange.restore(Record { tag, shard, key, body: body.to_vec() });
    }

    fn resume(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.exchange.resume(now, &mut self.said);
        self.settle(now, out);
    }

    fn concerned(&self, input: &In) -> Option<(Tag, Key)> {
        match input {
            In::Bus(_, envelope) => self.exchange.concerned(envelope),
            In::Adopt(record) => Some((record.tag, record.key)),
            In::World { .. }
            | In::Hop(_)
            | In::Unsent(_)
            | In::Pressure(_)
            | In::Owned(_)
            | In::Media(_)
            | In::Cells(_)
            | In::Through(_) => None,
        }
    }

    fn due(&self) -> Option<(Tag, Key)> {
        self.exchange.due()
    }

    fn give_up(&mut self, now: Moment, tag: Tag, key: Key, out: &mut Outbox<Out>) {
        self.exchange.abandon(now, tag, key, &mut self.said);
        self.settle(now, out);
    }

    fn rebuild(
        &mut self,
        now: Moment,
        cause: Cause,
        latest: &dyn Fn(Tag, Key) -> Option<Record>,
        out: &mut Outbox<Out>,
    ) {
        self.to_exchange.clear();
        self.said = Outbox::new();
        self.instructions = Outbox::new();
        let Some((tag, key)) = self.exchange.in_hand() else { return };
        self.exchange.forget(tag, key);
        let Some(kept) = latest(tag, key) else { return };
        if cause == Cause::Rebuild {
            // It is let go, in the journal as well, and where somebody follows.
            return out.keep(Record { body: Vec::new(), ..kept });
        }
        self.exchange.restore(kept);
        if cause == Cause::Deadline {
            // Its next deadline would be the same again.
            self.exchange.abandon(now, tag, key, &mut self.said);
        }
        self.settle(now, out);
    }
}
