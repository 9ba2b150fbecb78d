//! Where the newest record of each key lies: eight bytes a key, since the key itself stands in the record.

use hashbrown::HashTable;
use machine::{Key, Tag};

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Offset in the region, in units of eight bytes.
    eighth: u32,
    hash: u32,
}

impl Place {
    fn at(self) -> usize {
        self.eighth as usize * 8
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    table: HashTable<Place>,
}

/// The hash of a tag and a key, which are hashes or counts of ours, and no stranger's choice.
pub(crate) fn hash(tag: Tag, key: Key) -> u32 {
    let low = key.0 as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let high = (key.0 >> 64) as u64 ^ u64::from(tag.0) << 48 ^ 0xD1B5_4A32_D192_ED03;
    let product = u128::from(low) * u128::from(high);
    let folded = product as u64 ^ (product >> 64) as u64;
    (folded ^ folded >> 32) as u32
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Index {
    pub(crate) fn with_room(keys: usize) -> Self {
        Index { table: HashTable::with_capacity(keys) }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Where the record with `hash` lies that is the `same`.
    pub(crate) fn find(&self, hash: u32, same: impl Fn(usize) -> bool) -> Option<usize> {
        let found = self.table.find(spread(hash), |place| place.hash == hash && same(place.at()));
        found.map(|place| place.at())
    }

    /// Whether the record at `at` is the newest of its key.
    pub(crate) fn holds(&self, hash: u32, at: usize) -> bool {
        self.find(hash, |place| place == at).is_some()
    }

    /// Says that the newest record lies at `at`; returns where the one before lay.
    pub(crate) fn put(&mut self, hash: u32, at: usize, same: impl Fn(usize) -> bool) -> Option<usize> {
        let place = Place { eighth: (at / 8) as u32, hash };
        let matches = |place: &Place| place.hash == hash && same(place.at());
        match self.table.find_mut(spread(hash), matches) {
            Some(found) => {
                let before = found.at();
                *found = place;
                Some(before)
            }
            None => {
                self.table.insert_unique(spread(hash), place, |place| spread(place.hash));
                None
            }
        }
    }

    /// Forgets a key; returns where its record lay.
    pub(crate) fn remove(&mut self, hash: u32, same: impl Fn(usize) -> bool) -> Option<usize> {
        let matches = |place: &Place| place.hash == hash && same(place.at());
        let entry = self.table.find_entry(spread(hash), matches).ok()?;
        Some(entry.remove().0.at())
    }

    /// All places, in no order.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.table.iter().map(|place| place.at())
    }
}
