use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map whose keys are keyed hashes already: nobody outside can choose them, so they need no second hashing.
pub(crate) type KeyedMap<K, V> = HashMap<K, V, BuildHasherDefault<AsItIs>>;

/// Passes a hash on as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = self.0.rotate_left(5) ^ word;
    }
}

/// A 128-bit key that takes no more than its sixteen bytes in a map of small values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packed([u64; 2]);

impl Hash for Packed {
    /// The upper half: the lower one also says the shard, so it is less than random within a thread.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[1]);
    }
}

impl From<u128> for Packed {
    fn from(key: u128) -> Self {
        Packed([key as u64, (key >> 64) as u64])
    }
}

impl From<Packed> for u128 {
    fn from(Packed([low, high]): Packed) -> u128 {
        u128::from(high) << 64 | u128::from(low)
    }
}
