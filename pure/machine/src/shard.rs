use std::fmt;

use serde::{Deserialize, Serialize};

/// How many shards a platform has, for ever.
pub const SHARDS: u16 = 4096;

/// The part of all calls and bindings that one exchange thread owns at a time: `0..SHARDS`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u16);

impl Shard {
    /// Folds any number onto a shard.
    pub const fn of(hash: u64) -> Self {
        Shard((hash % SHARDS as u64) as u16)
    }

    /// `0..SHARDS`.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Which of `threads` exchange threads owns this shard on a host that owns them all.
    pub const fn thread(self, threads: u16) -> u16 {
        self.0 % threads
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard-{}", self.0)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How often a shard has changed its owner. What a lower epoch says is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);
