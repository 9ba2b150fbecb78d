use std::fmt;
use std::sync::Arc;

use crate::{Epoch, SHARDS, Shard};

/// The shards that an exchange thread owns, each with how often it has changed its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct Owned {
    epochs: Arc<[Option<Epoch>]>,
    count: usize,
    any: Shard,
}

impl Default for Owned {
    /// All of them.
    fn default() -> Self {
        Owned::of_thread(0, 1)
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} shards", self.count)
    }
}

impl Owned {
    /// The shards of thread `thread`, from 0, of a host that is alone and has so many.
    pub fn of_thread(thread: u16, threads: u16) -> Self {
        Owned::of(|shard| (shard.thread(threads) == thread).then_some(Epoch::default()))
    }

    /// Those that have an epoch.
    pub fn of(epoch: impl Fn(Shard) -> Option<Epoch>) -> Self {
        let all = Shard::all();
        let epochs: Arc<[_]> = all.clone().map(epoch).collect();
        let mut owned = all.filter(|shard| epochs[usize::from(shard.number())].is_some());
        let any = owned.next();
        let count = usize::from(any.is_some()) + owned.count();
        Owned { epochs, count, any: any.unwrap_or_default() }
    }

    /// All that it owns.
    pub fn all(&self) -> impl Iterator<Item = Shard> {
        Shard::all().filter(|&shard| self.owns(shard))
    }

    /// Whether this thread owns `shard`.
    pub fn owns(&self, shard: Shard) -> bool {
        shard.cell().is_home() && self.epochs[usize::from(shard.number())].is_some()
    }

    /// How often `shard` has changed its owner, as far as this thread knows.
    pub fn epoch(&self, shard: Shard) -> Epoch {
        debug_assert!(shard.cell().is_home(), "{shard:?} is another cell's");
        self.epochs[usize::from(shard.number())].unwrap_or_default()
    }

    /// How many it owns.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether it owns all there are.
    pub fn is_all(&self) -> bool {
        self.count == usize::from(SHARDS)
    }

    /// One of them.
    pub fn any(&self) -> Shard {
        self.any
    }
}
