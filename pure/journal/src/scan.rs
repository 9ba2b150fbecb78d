//! Reading a segment's records, past whatever is broken.

use crate::layout::{HEADER, Head};

/// What lies at a place of a segment.
pub(crate) enum Found {
    /// A record whose header holds.
    Record {
        /// Where it starts in the segment.
        offset: usize,
        /// Its header.
        head: Head,
    },
    /// Bytes that are no record, where one should be.
    Broken {
        /// Where they start in the segment.
        offset: usize,
    },
}

/// Visits all records of `segment` from `offset` on. Where they break, goes on with the next one whose header
/// holds. Returns where the last one ends.
pub(crate) fn scan(segment: &[u8], seed: u32, offset: usize, mut visit: impl FnMut(Found)) -> usize {
    let mut end = offset;
    loop {
        while let Some(head) = segment.get(end..).and_then(|raw| Head::read(raw, seed)) {
            visit(Found::Record { offset: end, head });
            end += head.size();
        }
        let next = resume(segment, seed, end);
        if next.is_some() || !is_end(segment, end) {
            visit(Found::Broken { offset: end });
        }
        match next {
            Some(at) => end = at,
            None => return end,
        }
    }
}

/// Visits the records from `offset` up to the first place where there is none. Returns that place.
pub(crate) fn walk(segment: &[u8], seed: u32, offset: usize, mut visit: impl FnMut(usize, Head)) -> usize {
    let mut end = offset;
    while let Some(head) = segment.get(end..).and_then(|raw| Head::read(raw, seed)) {
        visit(end, head);
        end += head.size();
    }
    end
}

/// Whether the writer left the mark of the end there (or no room for it).
pub(crate) fn is_end(segment: &[u8], offset: usize) -> bool {
    segment.get(offset..offset + 8).is_none_or(|word| word == [0; 8])
}

fn resume(segment: &[u8], seed: u32, broken: usize) -> Option<usize> {
    let last = segment.len().checked_sub(HEADER)?;
    (broken + 8..=last).step_by(8).find(|&at| Head::read(&segment[at..], seed).is_some())
}
