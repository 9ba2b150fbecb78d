use crate::Shard;

/// Which kind of thing a record is about. Each owner of a tag says what its body means; unknown tags are
/// carried along untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16);

/// Which thing of its kind: a keyed hash, or a call's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u128);

/// The newest state of one thing, to be kept before anything is said. An empty `body` says that the thing
/// is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The kind of thing.
    pub tag: Tag,
    /// The shard it belongs to.
    pub shard: Shard,
    /// Which one.
    pub key: Key,
    /// Its whole state, in the owner's own versioned format.
    pub body: Vec<u8>,
}

/// What a core decided: kept first, said afterwards.
#[derive(Debug)]
pub struct Outbox<O> {
    /// States to keep, oldest first; of one key only the last counts.
    pub keep: Vec<Record>,
    /// What to say once `keep` is safe, in order.
    pub emit: Vec<O>,
}

impl<O> Default for Outbox<O> {
    fn default() -> Self {
        Outbox { keep: Vec::new(), emit: Vec::new() }
    }
}

impl<O> Outbox<O> {
    /// Nothing kept, nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `record`.
    pub fn keep(&mut self, record: Record) {
        self.keep.push(record);
    }

    /// Says `what`.
    pub fn emit(&mut self, what: O) {
        self.emit.push(what);
    }

    /// How much was kept and said so far, for [`Outbox::cut_back`].
    pub fn mark(&self) -> (usize, usize) {
        (self.keep.len(), self.emit.len())
    }

    /// Forgets all that came after `mark`: what a core decided before it panicked must not leave.
    pub fn cut_back(&mut self, mark: (usize, usize)) {
        self.keep.truncate(mark.0);
        self.emit.truncate(mark.1);
    }
}
