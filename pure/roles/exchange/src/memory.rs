use std::cell::Cell;

use crate::keyed::{KeyedMap, Packed};

/// A map that holds so many and no more. When it is full it forgets one that was not asked for lately
/// (second chance).
#[derive(Debug)]
pub(crate) struct Memory<V> {
    places: KeyedMap<Packed, u32>,
    slots: Vec<Slot<V>>,
    hand: usize,
    room: usize,
}

#[derive(Debug)]
struct Slot<V> {
    key: Packed,
    asked_for: Cell<bool>,
    value: V,
}

impl<V> Memory<V> {
    /// Holds `room` at most, and one at least.
    pub(crate) fn new(room: usize) -> Self {
        Memory { places: KeyedMap::default(), slots: Vec::new(), hand: 0, room: room.max(1) }
    }

    /// Makes room for so many more, as far as it may hold them.
    pub(crate) fn reserve(&mut self, more: usize) {
        let more = more.min(self.room - self.slots.len());
        self.places.reserve(more);
        self.slots.reserve(more);
    }

    /// What is remembered of `key`.
    pub(crate) fn get(&self, key: u128) -> Option<&V> {
        let slot = &self.slots[*self.places.get(&key.into())? as usize];
        slot.asked_for.set(true);
        Some(&slot.value)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: u128) -> Option<&mut V> {
        let slot = &mut self.slots[*self.places.get(&key.into())? as usize];
        slot.asked_for.set(true);
        Some(&mut slot.value)
    }

    /// Remembers `value`; says what was forgotten for it.
    pub(crate) fn insert(&mut self, key: u128, value: V) -> Option<(u128, V)> {
        if let Some(held) = self.get_mut(key) {
            *held = value;
            return None;
        }
        let new = Slot { key: key.into(), asked_for: Cell::new(false), value };
        if self.slots.len() < self.room {
            self.places.insert(new.key, self.slots.len() as u32);
            self.slots.push(new);
            return None;
        }
        let at = self.find_idle();
        self.places.insert(new.key, at as u32);
        let old = std::mem::replace(&mut self.slots[at], new);
        self.places.remove(&old.key);
        Some((old.key.into(), old.value))
    }

    fn find_idle(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            if !self.slots[at].asked_for.replace(false) {
                return at;
            }
        }
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: u128) -> Option<V> {
        let at = self.places.remove(&key.into())? as usize;
        let slot = self.slots.swap_remove(at);
        if let Some(moved) = self.slots.get(at) {
            self.places.insert(moved.key, at as u32);
        }
        if self.hand >= self.slots.len() {
            self.hand = 0;
        }
        Some(slot.value)
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_full_it_forgets_one_that_nobody_asked_for() {
        let mut memory = Memory::new(3);
        for key in 1..=3u128 {
            assert_eq!(memory.insert(key, key), None);
        }
        memory.get(1);
        assert_eq!(memory.insert(4, 4), Some((2, 2)));
        assert_eq!(memory.insert(5, 5), Some((3, 3)));
        assert_eq!((memory.get(1), memory.get(2), memory.len()), (Some(&1), None, 3));
    }

    #[test]
    fn what_is_removed_leaves_the_rest_in_place() {
        let mut memory = Memory::new(8);
        for key in 0..8u128 {
            memory.insert(key, key * 10);
        }
        assert_eq!(memory.remove(2), Some(20));
        assert_eq!(memory.remove(2), None);
        assert_eq!(memory.remove(7), Some(70));
        for key in [0, 1, 3, 4, 5, 6u128] {
            assert_eq!(memory.get(key), Some(&(key * 10)));
        }
        memory.insert(9, 90);
        assert_eq!(memory.len(), 7);
        for key in 100..200 {
            memory.insert(key, 0);
        }
        assert_eq!(memory.len(), 8);
    }
}
