use std::fmt;

use serde::{Deserialize, Serialize};

/// How many shards a cell has, for ever.
pub const SHARDS: u16 = 4096;
/// The bits of a shard above its number: the cell.
const CELL_SHIFT: u32 = SHARDS.trailing_zeros();

/// A cell of the platform: 1 to 15. 0: whoever says it means his own, or there are no cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(pub u8);

impl CellId {
    /// The own cell, as everybody calls it among his own.
    pub const HOME: CellId = CellId(0);
    /// The highest number there is.
    pub const MOST: CellId = CellId(15);

    /// Whether it is the own one.
    pub const fn is_home(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The part of all calls and bindings of a cell that one exchange thread owns at a time: its number is below
/// [`SHARDS`]. Within a cell its own shards are named without the cell, in journals, on the bus and in views; so
/// nothing changes there when a platform becomes one of several cells. Only what leaves the cell names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u16);

impl Shard {
    /// Folds any number onto a shard.
    pub const fn of(hash: u64) -> Self {
        Shard((hash % SHARDS as u64) as u16)
    }

    /// All of the own cell, by their numbers.
    pub fn all() -> impl Iterator<Item = Shard> + Clone {
        (0..SHARDS).map(Shard)
    }

    /// Which one of its cell's: `0..SHARDS`.
    pub const fn number(self) -> u16 {
        self.0 % SHARDS
    }

    /// Whose it is: [`CellId::HOME`] for one of the own.
    pub const fn cell(self) -> CellId {
        CellId((self.0 >> CELL_SHIFT) as u8)
    }

    /// The shard of this number in `cell`.
    pub const fn of_cell(self, cell: CellId) -> Self {
        Shard((cell.0 as u16) << CELL_SHIFT | self.number())
    }

    /// The shard as its own cell names it.
    pub const fn at_home(self) -> Self {
        self.of_cell(CellId::HOME)
    }

    /// Number and cell as one number, as identifiers carry them.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// What [`Shard::bits`] says.
    pub const fn from_bits(bits: u16) -> Self {
        Shard(bits)
    }

    /// Which of `threads` exchange threads owns this shard on a host that owns them all.
    pub const fn thread(self, threads: u16) -> u16 {
        self.number() % threads
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cell() {
            CellId::HOME => write!(f, "shard-{}", self.number()),
            cell => write!(f, "shard-{}-of-cell-{cell}", self.number()),
        }
    }
}

impl fmt::Display for Shard {
    /// The number within its cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// How often a shard has changed its owner. What a lower epoch says is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_of_another_cell_keeps_its_number_and_is_none_of_ours() {
        for number in [0, 17, SHARDS - 1] {
            let ours = Shard::of(number.into());
            assert_eq!((ours.number(), ours.cell(), ours.bits()), (number, CellId::HOME, number));
            for cell in 1..=CellId::MOST.0 {
                let theirs = ours.of_cell(CellId(cell));
                assert_eq!((theirs.number(), theirs.cell()), (number, CellId(cell)));
                assert_ne!(theirs, ours);
                assert_eq!(theirs.at_home(), ours);
                assert_eq!(Shard::from_bits(theirs.bits()), theirs);
            }
        }
    }
}
