//! Making room: the oldest segment is used again, after what still lives in it was carried on.

use crate::index::{Place, hash};
use crate::journal::Journal;
use crate::layout::{Head, PREFIX, kind, seed};
use crate::ring::Region;
use crate::scan::{Found, scan};

impl<R: Region> Journal<R> {
    pub(crate) fn make_room(&mut self, size: usize) -> bool {
        if size > self.ring.shape.room() {
            return false;
        }
        while !self.ring.fits(size) {
            // Neither this batch nor one that may have to be sent again is overwritten.
            if self.ring.head + 2 >= self.floor + self.ring.shape.count {
                return false;
            }
            self.ring.step();
            self.free_next();
        }
        true
    }

    /// Carries on what lives in the segment that is used next, so that nothing is lost when it is.
    pub(crate) fn free_next(&mut self) {
        let Some(next) = (self.ring.head + 1).checked_sub(self.ring.shape.count) else {
            return;
        };
        let start = self.ring.shape.start(next);
        let live = self.live_in[self.ring.shape.number(start)] as usize;
        let mut carrying = std::mem::take(&mut self.carrying);
        self.find_live(next, live, &mut carrying);
        if carrying.len() < live {
            // Something is broken on the way, so each header is looked at.
            carrying.clear();
            let seed = seed(self.ring.life, next);
            scan(self.ring.segment(next), seed, PREFIX, |found| {
                if let Found::Record { offset, head } = found
                    && self.lives(&head, start + offset)
                {
                    carrying.push(start + offset);
                }
            });
        }
        for from in carrying.drain(..) {
            self.carry(from);
        }
        self.carrying = carrying;
        if self.live_in[self.ring.shape.number(start)] > 0 {
            self.lose(next);
        }
    }

    /// What lives in segment `sequence` and could not be carried on is broken: it lives no more.
    fn lose(&mut self, sequence: u64) {
        let number = self.ring.shape.number(self.ring.shape.start(sequence));
        let lost: Vec<Place> =
            self.index.all().filter(|place| self.ring.shape.number(place.at()) == number).collect();
        for place in lost {
            self.forget(place);
            let _ = self.unprotected();
        }
    }

    /// Goes from header to header until all `live` records of segment `sequence` are found.
    fn find_live(&self, sequence: u64, live: usize, found: &mut Vec<usize>) {
        let (segment, start) = (self.ring.segment(sequence), self.ring.shape.start(sequence));
        let mut offset = PREFIX;
        while found.len() < live
            && let Some(head) = Head::likely(&segment[offset.min(segment.len())..])
        {
            if self.lives(&head, start + offset) {
                found.push(start + offset);
            }
            offset += head.size();
        }
    }

    fn lives(&self, head: &Head, at: usize) -> bool {
        head.kind == kind::STATE && self.index.holds(hash(head.tag, head.key), at)
    }

    fn carry(&mut self, from: usize) {
        let head = self.ring.head_at(from);
        if !self.ring.fits(head.size()) {
            // Only after damage can the live part of one segment exceed another.
            let _ = self.unprotected();
            return;
        }
        let at = self.ring.copy(from, true);
        let place = Place::new(at, hash(head.tag, head.key), head.tag, head.len as usize);
        self.settle(place, |_, other| other.at() == from);
        self.stats.carried_bytes += head.size() as u64;
        self.overtaken.extend(self.newest_pending(head.tag, head.key));
    }
}
