use call::{Call, Told};
use contract::CallId;
use machine::KeyedHash;

use crate::decide::Part;
use crate::hashes;
use crate::keyed::KeyedMap;
use crate::request::Request;

const FORMAT: u8 = 1;
/// A snapshot rarely takes more.
const ROOM: usize = 4096;

/// The calls of this thread.
#[derive(Debug)]
pub(crate) struct Calls {
    hash: KeyedHash,
    held: KeyedMap<u64, Box<Held>>,
    by_invite: KeyedMap<u64, Invited>,
}

/// A call, and the INVITE that began it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) call: Call,
    /// Names the INVITE.
    pub(crate) invite: u64,
    /// Stands for the INVITE's branch.
    pub(crate) branch: u64,
    /// The questions on the bus that it waits for.
    pub(crate) questions: Vec<u64>,
    /// What others were told of it.
    pub(crate) told: Told,
}

/// Which call an INVITE began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invited {
    pub(crate) id: CallId,
    pub(crate) branch: u64,
}

impl Calls {
    /// No calls.
    pub(crate) fn new(hash: KeyedHash) -> Self {
        Calls { hash, held: KeyedMap::default(), by_invite: KeyedMap::default() }
    }

    /// The name of an INVITE: that of its retransmissions, its copies on other ways, and its CANCEL.
    pub(crate) fn invite(&self, request: &Request<'_>) -> u64 {
        let number = request.cseq.number.to_le_bytes();
        let from = request.from.uri_bytes;
        self.hash.sum64(hashes::INVITE, &[request.call_id, request.callers_tag(), from, &number])
    }

    /// Stands for the way a request took: its branch, or all of its top Via if that has none.
    pub(crate) fn branch(&self, request: &Request<'_>) -> u64 {
        let top = request.message.top_via().ok();
        let branch = match top.and_then(|via| via.branch()) {
            Some(branch) => branch.as_bytes(),
            None => request.message.first_value(sip::Name::Via).unwrap_or_default(),
        };
        self.hash.sum64(hashes::INVITE, &[branch])
    }

    /// The call that this INVITE began.
    pub(crate) fn by_invite(&self, invite: u64) -> Option<Invited> {
        self.by_invite.get(&invite).copied()
    }

    /// Whether the call is here.
    pub(crate) fn has(&self, id: CallId) -> bool {
        self.held.contains_key(&id.0)
    }

    /// A call.
    pub(crate) fn get(&self, id: CallId) -> Option<&Held> {
        self.held.get(&id.0).map(|held| &**held)
    }

    /// Takes a call out while it decides, so that a panic leaves the others as they are.
    pub(crate) fn take(&mut self, id: CallId) -> Option<Box<Held>> {
        self.held.remove(&id.0)
    }

    /// Puts a call in.
    pub(crate) fn put(&mut self, held: Box<Held>) {
        let id = held.call.id();
        self.by_invite.insert(held.invite, Invited { id, branch: held.branch });
        self.held.insert(id.0, held);
    }

    /// A call is over.
    pub(crate) fn end(&mut self, held: &Held) {
        self.by_invite.remove(&held.invite);
    }

    /// Forgets a call whatever its state.
    pub(crate) fn forget(&mut self, id: CallId) -> Option<Box<Held>> {
        self.by_invite.retain(|_, invited| invited.id != id);
        self.held.remove(&id.0)
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Call> {
        self.held.values().map(|held| &held.call)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}

impl Held {
    /// A call that has just begun.
    pub(crate) fn new(call: Call, invite: u64, branch: u64) -> Box<Self> {
        Box::new(Held { call, invite, branch, questions: Vec::new(), told: Told::default() })
    }

    /// Whether this leg's messages have this Call-ID.
    pub(crate) fn has_leg(&self, part: Part, call_id: &[u8]) -> bool {
        self.call.legs().any(|(leg, id, _)| leg.0 == part && id.as_bytes() == call_id)
    }

    /// What is kept of it: `format 1 | INVITE u64 | branch u64 | snapshot`, little endian.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(ROOM);
        body.push(FORMAT);
        body.extend_from_slice(&self.invite.to_le_bytes());
        body.extend_from_slice(&self.branch.to_le_bytes());
        self.call.snapshot_into(&mut body);
        body
    }

    /// What was kept.
    pub(crate) fn read(body: &[u8]) -> Option<Box<Self>> {
        let (&format, rest) = body.split_first()?;
        let (invite, rest) = rest.split_first_chunk()?;
        let (branch, snapshot) = rest.split_first_chunk()?;
        if format != FORMAT {
            return None;
        }
        let call = Call::restore(snapshot).ok()?;
        let told = call.all_told();
        let held = Held::new(call, u64::from_le_bytes(*invite), u64::from_le_bytes(*branch));
        Some(Box::new(Held { told, ..*held }))
    }
}
