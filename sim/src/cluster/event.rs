//! What will happen: to whom, and what can go wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::cluster::View;
use contract::{Envelope, Role};
use phone::{CallNo, Command};

use super::host::At;
use crate::death::Death;
use crate::wire::Conditions;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A packet arrives.
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// Something happens to a line between hosts.
    Wire(super::wires::Event),
    /// An envelope arrives at the office, or at media.
    Asked { from: At, role: Role, envelope: Envelope },
    /// A thread asks another one of its host.
    AskedWithin { from: At, thread: usize, envelope: Envelope },
    /// An envelope arrives at a thread.
    Told { at: At, envelope: Envelope },
    /// A thread's proposal arrives at the brokers.
    Proposed { from: At, envelope: Envelope },
    /// What was agreed on arrives at a host.
    Agreed { host: usize, view: Arc<View> },
    /// Brokers look around.
    Look,
    /// Everybody is told again what was agreed on.
    Tell,
    /// Somebody may have something due.
    Wake(Who),
    /// A user does something with a phone.
    User { phone: usize, command: Command },
    /// A user puts the phone down.
    HangUp { phone: usize, call: CallNo },
    /// Somebody calls somebody.
    NextCall,
    /// Something goes wrong.
    Mishap(Mishap),
    /// A signalling process is started again.
    Start(usize),
    /// A media process is started again.
    StartMedia(usize),
    /// A host goes on that stood still.
    GoOn(usize),
    /// Those who were cut off can be reached again.
    Heal,
    /// The office is back.
    OfficeBack,
    /// Who minds the books looks after what is due.
    Books,
}

/// Who does something by himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Thread(At),
    Media(usize),
    Phone(usize),
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// A signalling process dies, somewhere in a thread's next turn.
    ProcessDies(At, Death),
    /// A media process dies.
    MediaDies(usize),
    /// A host is gone with all that it had.
    HostDies(usize),
    /// A host with nothing on it takes the place of one that is gone.
    HostIsReplaced(usize),
    /// A host stands still, and goes on.
    HostStops(usize, Duration),
    /// These are cut off from all others and from the world, and are back after a while.
    CutOff(Vec<usize>, Duration),
    /// All lines of a host break.
    LinesBreak(usize),
    /// A host shall own nothing any more; or it shall own again.
    Drain(usize, bool),
    /// The office is away for so long.
    OfficeIsAway(Duration),
    /// The bus stands still for so long; what was said meanwhile comes in any order.
    BusStalls(Duration),
    /// From now on the wire to phones is like that.
    Weather(Conditions),
}

/// How often which kind of fault has happened.
pub(crate) type Faults = BTreeMap<&'static str, u64>;
