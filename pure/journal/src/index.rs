//! Where the newest record of each key lies: twelve bytes a key, since the key itself stands in the record.

use hashbrown::HashTable;
use machine::{Key, Tag};

use crate::layout::size_of;

/// Where a record lies, and as much of it as is needed without reading it: there may be a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Offset in the region, in units of eight bytes.
    pub(crate) eighth: u32,
    /// Of its tag and key.
    pub(crate) hash: u32,
    pub(crate) tag: Tag,
    /// Bytes that it takes up, in units of eight.
    pub(crate) size: u16,
}

impl Place {
    /// The record at `at` with a body of `len` bytes.
    pub(crate) fn new(at: usize, hash: u32, tag: Tag, len: usize) -> Self {
        Place { eighth: (at / 8) as u32, hash, tag, size: (size_of(len) / 8) as u16 }
    }

    pub(crate) fn at(self) -> usize {
        self.eighth as usize * 8
    }

    pub(crate) fn bytes(self) -> usize {
        usize::from(self.size) * 8
    }

    /// The record has no body: the thing is no more.
    pub(crate) fn is_gone(self) -> bool {
        self.bytes() == size_of(0)
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
    pub(crate) fn find(&self, hash: u32, same: impl Fn(Place) -> bool) -> Option<Place> {
        self.table.find(spread(hash), |&place| place.hash == hash && same(place)).copied()
    }

    /// Whether the record at `at` is the newest of its key.
    pub(crate) fn holds(&self, hash: u32, at: usize) -> bool {
        self.find(hash, |place| place.at() == at).is_some()
    }

    /// Says that the newest record lies at `place`; returns where the one before lay.
    pub(crate) fn put(&mut self, place: Place, same: impl Fn(Place) -> bool) -> Option<Place> {
        let matches = |old: &Place| old.hash == place.hash && same(*old);
        match self.table.find_mut(spread(place.hash), matches) {
            Some(found) => Some(std::mem::replace(found, place)),
            None => {
                self.table.insert_unique(spread(place.hash), place, |place| spread(place.hash));
                None
            }
        }
    }

    /// Forgets a key; returns where its record lay.
    pub(crate) fn remove(&mut self, hash: u32, same: impl Fn(Place) -> bool) -> Option<Place> {
        let matches = |place: &Place| place.hash == hash && same(*place);
        let entry = self.table.find_entry(spread(hash), matches).ok()?;
        Some(entry.remove().0)
    }

    /// All places of this hash.
    pub(crate) fn alike(&self, hash: u32) -> impl Iterator<Item = Place> {
        self.table.iter_hash(spread(hash)).copied().filter(move |place| place.hash == hash)
    }

    /// All places, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Place> {
        self.table.iter().copied()
    }
}
