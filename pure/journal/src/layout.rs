//! The bytes of the ring, version 1 (all numbers little endian):
//!
//! ```text
//! page 0     magic 8, version 4, segment size 4, segments 4, life 8, crc 4
//!   64, 128  batch 8, input 4, serial 4, crc 4: what was in hand, written in turns
//!   192, 256 batch 8, 0 4, serial 4, crc 4: what was sent, written in turns
//!   320, 384 key 16, tag 2, deaths 1, 0 1, serial 4, crc 4: which thing was in hand, written in turns
//! page 1..   segments, each: magic 8, version 4, segment size 4, segments 4, life 8, sequence 8, crc 4
//!            and then records, each starting at a multiple of 8, up to eight zero bytes
//! record     len 4 (top bit set), crc of the header 4, crc of the body 4, tag 2, shard 2,
//!            kind 1, flags 1, deaths 1, length of the source 1, number 4, batch 8, key 16, body
//! ```
//!
//! The checksum of a record's header is seeded with the ring's life and the segment's sequence number, so that
//! what an earlier use of the segment left behind never looks like a record of this one.

use machine::{Key, Shard, Tag};

use crate::journal::Entry;

/// Where the segments begin.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a segment, unless the ring was made with another size.
pub const SEGMENT: usize = 256 * 1024;
/// The smallest and the largest segment that makes sense.
pub(crate) const SEGMENT_SIZES: std::ops::RangeInclusive<usize> = 1024..=512 << 10;
/// The fewest segments a ring can turn in.
pub(crate) const FEWEST: u64 = 4;
/// Bytes before the first record of a segment.
pub(crate) const PREFIX: usize = 40;
/// Bytes of a record's header.
pub(crate) const HEADER: usize = 48;
/// The format written by this code.
pub(crate) const VERSION: u32 = 1;
/// What the hand holds when it holds no input.
pub(crate) const NOTHING: u32 = u32::MAX;
/// What the hand holds when it holds a thing: see [`Thing`].
pub(crate) const A_THING: u32 = u32::MAX - 1;
/// Where the two places of each note lie.
pub(crate) const IN_HAND: Places = Places { number: 0, at: [64, 128] };
pub(crate) const SENT: Places = Places { number: 1, at: [192, 256] };
pub(crate) const THING: Places = Places { number: 2, at: [320, 384] };

const RING_MAGIC: [u8; 8] = *b"STRWRING";
const SEGMENT_MAGIC: [u8; 8] = *b"STRWSEGM";
const PRESENT: u32 = 1 << 31;

/// What a record is for. Kinds that are not known are passed over.
pub(crate) mod kind {
    /// The newest state of one thing.
    pub(crate) const STATE: u8 = 1;
    /// Something that is being decided.
    pub(crate) const INPUT: u8 = 2;
    /// Bytes that go out once the batch is committed.
    pub(crate) const OUTGOING: u8 = 3;
    /// The batch is complete.
    pub(crate) const COMMIT: u8 = 4;
    /// A successor took over: the batch named in the key is void, and inputs retaken for this batch stand.
    pub(crate) const ADOPT: u8 = 5;
    /// The input of that number must not be decided again.
    pub(crate) const SET_ASIDE: u8 = 6;
    /// In a disk log: how far a ring has been followed.
    pub(crate) const MARK: u8 = 7;
}

/// The record is a copy of an older one whose segment was to be used again.
pub(crate) const CARRIED: u8 = 1;
/// The input was begun by a predecessor.
pub(crate) const RETAKEN: u8 = 2;

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: u32,
    pub(crate) body_crc: u32,
    pub(crate) tag: Tag,
    pub(crate) shard: u16,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) deaths: u8,
    pub(crate) source_len: u8,
    pub(crate) number: u32,
    pub(crate) batch: u64,
    pub(crate) key: Key,
}

impl Head {
    /// A header of `kind` for `batch`, all else zero.
    pub(crate) fn new(kind: u8, batch: u64) -> Self {
        Head {
            len: 0,
            body_crc: 0,
            tag: Tag(0),
            shard: 0,
            kind,
            flags: 0,
            deaths: 0,
            source_len: 0,
            number: 0,
            batch,
            key: Key(0),
        }
    }

    /// Bytes that the record takes up.
    pub(crate) fn size(&self) -> usize {
        size_of(self.len as usize)
    }

    /// The shard as a value.
    pub(crate) fn shard(&self) -> Shard {
        Shard::of(u64::from(self.shard))
    }

    /// The header's bytes under a segment's seed.
    pub(crate) fn write(&self, seed: u32) -> [u8; HEADER] {
        let mut raw = [0; HEADER];
        raw[0..4].copy_from_slice(&(self.len | PRESENT).to_le_bytes());
        raw[8..12].copy_from_slice(&self.body_crc.to_le_bytes());
        raw[12..14].copy_from_slice(&self.tag.0.to_le_bytes());
        raw[14..16].copy_from_slice(&self.shard.to_le_bytes());
        raw[16..20].copy_from_slice(&[self.kind, self.flags, self.deaths, self.source_len]);
        raw[20..24].copy_from_slice(&self.number.to_le_bytes());
        raw[24..32].copy_from_slice(&self.batch.to_le_bytes());
        raw[32..48].copy_from_slice(&self.key.0.to_le_bytes());
        let check = crc(seed, &[&raw]);
        raw[4..8].copy_from_slice(&check.to_le_bytes());
        raw
    }

    /// Reads a header that is known to be whole.
    #[inline(always)]
    pub(crate) fn trusted(raw: &[u8]) -> Self {
        let raw = &raw[..HEADER];
        Head {
            len: u32_at(raw, 0) & !PRESENT,
            body_crc: u32_at(raw, 8),
            tag: Tag(u16_at(raw, 12)),
            shard: u16_at(raw, 14),
            kind: raw[16],
            flags: raw[17],
            deaths: raw[18],
            source_len: raw[19],
            number: u32_at(raw, 20),
            batch: u64_at(raw, 24),
            key: Key(u128::from(u64_at(raw, 32)) | u128::from(u64_at(raw, 40)) << 64),
        }
    }

    /// Reads the header at the start of `raw` without looking whether it is whole; `None` if there is none.
    #[inline(always)]
    pub(crate) fn likely(raw: &[u8]) -> Option<Self> {
        if raw.len() < HEADER || u32_at(raw, 0) & PRESENT == 0 {
            return None;
        }
        Some(Head::trusted(raw)).filter(|head| head.size() <= raw.len())
    }

    /// Reads the header at the start of `raw`, if its checksum holds and its body lies within `raw`.
    pub(crate) fn read(raw: &[u8], seed: u32) -> Option<Self> {
        let head = Head::likely(raw)?;
        let mut blank: [u8; HEADER] = bytes_at(raw, 0);
        blank[4..8].fill(0);
        (crc(seed, &[&blank]) == u32_at(raw, 4)).then_some(head)
    }

    /// The body, in `raw` that starts with this header.
    pub(crate) fn body<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        &raw[HEADER..HEADER + self.len as usize]
    }

    /// What it is the header of, in `raw` that starts with it.
    pub(crate) fn entry<'a>(&self, raw: &'a [u8]) -> Entry<'a> {
        Entry { tag: self.tag, shard: self.shard(), key: self.key, body: self.body(raw) }
    }

    /// Whether the body is as it was written.
    pub(crate) fn body_holds(&self, raw: &[u8]) -> bool {
        crc(0, &[self.body(raw)]) == self.body_crc
    }
}

/// Bytes that a record with a body of `len` takes up.
pub(crate) const fn size_of(len: usize) -> usize {
    HEADER + len.next_multiple_of(8)
}

/// CRC-32 over `parts`, from `seed` on.
pub(crate) fn crc(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// What seeds the checksums of a segment's records.
pub(crate) fn seed(life: u64, sequence: u64) -> u32 {
    crc(0, &[&life.to_le_bytes(), &sequence.to_le_bytes()])
}

/// Who a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Front {
    pub(crate) version: u32,
    pub(crate) segment: u32,
    pub(crate) count: u32,
    pub(crate) life: u64,
}

impl Front {
    fn fill(&self, raw: &mut [u8]) {
        raw[..4].copy_from_slice(&self.version.to_le_bytes());
        raw[4..8].copy_from_slice(&self.segment.to_le_bytes());
        raw[8..12].copy_from_slice(&self.count.to_le_bytes());
        raw[12..20].copy_from_slice(&self.life.to_le_bytes());
    }

    fn of(raw: &[u8]) -> Self {
        Front {
            version: u32_at(raw, 0),
            segment: u32_at(raw, 4),
            count: u32_at(raw, 8),
            life: u64_at(raw, 12),
        }
    }

    pub(crate) fn write(&self) -> [u8; 32] {
        let mut raw = [0; 32];
        raw[..8].copy_from_slice(&RING_MAGIC);
        self.fill(&mut raw[8..28]);
        let check = crc(0, &[&raw[..28]]);
        raw[28..].copy_from_slice(&check.to_le_bytes());
        raw
    }

    pub(crate) fn read(raw: &[u8]) -> Option<Self> {
        (raw[..8] == RING_MAGIC && crc(0, &[&raw[..28]]) == u32_at(raw, 28)).then(|| Front::of(&raw[8..]))
    }
}

/// Which use of its place a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFront {
    pub(crate) ring: Front,
    pub(crate) sequence: u64,
}

impl SegmentFront {
    pub(crate) fn write(&self) -> [u8; PREFIX] {
        let mut raw = [0; PREFIX];
        raw[..8].copy_from_slice(&SEGMENT_MAGIC);
        self.ring.fill(&mut raw[8..28]);
        raw[28..36].copy_from_slice(&self.sequence.to_le_bytes());
        let check = crc(0, &[&raw[..36]]);
        raw[36..].copy_from_slice(&check.to_le_bytes());
        raw
    }

    pub(crate) fn read(raw: &[u8]) -> Option<Self> {
        (raw[..8] == SEGMENT_MAGIC && crc(0, &[&raw[..36]]) == u32_at(raw, 36))
            .then(|| SegmentFront { ring: Front::of(&raw[8..]), sequence: u64_at(raw, 28) })
    }
}

/// Where notes of one kind are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) number: usize,
    pub(crate) at: [usize; 2],
}

/// A small note on the first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) batch: u64,
    pub(crate) input: u32,
    /// Of two notes about one batch, the later one has the higher serial number.
    pub(crate) serial: u32,
}

impl Note {
    pub(crate) fn write(&self, life: u64) -> [u8; 20] {
        let mut raw = [0; 20];
        raw[..8].copy_from_slice(&self.batch.to_le_bytes());
        raw[8..12].copy_from_slice(&self.input.to_le_bytes());
        raw[12..16].copy_from_slice(&self.serial.to_le_bytes());
        let check = crc(life as u32, &[&raw[..16]]);
        raw[16..].copy_from_slice(&check.to_le_bytes());
        raw
    }

    /// The note, `None` if there never was one; an error if it is broken.
    pub(crate) fn read(raw: &[u8], life: u64) -> Result<Option<Self>, ()> {
        if raw[..20].iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        if crc(life as u32, &[&raw[..16]]) != u32_at(raw, 16) {
            return Err(());
        }
        Ok(Some(Note { batch: u64_at(raw, 0), input: u32_at(raw, 8), serial: u32_at(raw, 12) }))
    }
}

/// A note on the first page: the thing whose deadline, or whose answer, was in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) tag: Tag,
    pub(crate) key: Key,
    /// At how many deaths it was in hand before.
    pub(crate) deaths: u8,
    pub(crate) serial: u32,
}

impl Thing {
    pub(crate) fn write(&self, life: u64) -> [u8; 28] {
        let mut raw = [0; 28];
        raw[..16].copy_from_slice(&self.key.0.to_le_bytes());
        raw[16..18].copy_from_slice(&self.tag.0.to_le_bytes());
        raw[18] = self.deaths;
        raw[20..24].copy_from_slice(&self.serial.to_le_bytes());
        let check = crc(life as u32, &[&raw[..24]]);
        raw[24..].copy_from_slice(&check.to_le_bytes());
        raw
    }

    /// The note, if there is one that is whole.
    pub(crate) fn read(raw: &[u8], life: u64) -> Option<Self> {
        (crc(life as u32, &[&raw[..24]]) == u32_at(raw, 24)).then(|| Thing {
            key: Key(u128::from(u64_at(raw, 0)) | u128::from(u64_at(raw, 8)) << 64),
            tag: Tag(u16_at(raw, 16)),
            deaths: raw[18],
            serial: u32_at(raw, 20),
        })
    }
}

#[inline(always)]
fn bytes_at<const N: usize>(raw: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&raw[at..at + N]);
    bytes
}

#[inline(always)]
pub(crate) fn u16_at(raw: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(raw, at))
}

#[inline(always)]
pub(crate) fn u32_at(raw: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(raw, at))
}

#[inline(always)]
pub(crate) fn u64_at(raw: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(raw, at))
}
