//! The SIP messages of all calls of a thread, the newest so many bytes of them.
//!
//! The ring lives in a region that outlives the process, so a call's ladder is whole across a death. Every
//! entry lies in one piece; the front page says where the oldest and the next one are. An entry is written
//! before the front page knows of it, and the oldest are given up before their bytes are written over.

use contract::CallId;
use contract::query::Rung;
use machine::Moment;

const MAGIC: u64 = 0x5354_4c41_4444_4533;
/// Magic, tail, head, count, and whether an entry is being written.
const FRONT: usize = 40;
/// Length of the whole entry (4), party's length (1), direction (1), unused (2), call (8), time (8).
const HEAD: usize = 24;
/// The rest of the region holds no entry: go on at its start.
const WRAP: u32 = u32::MAX;

/// Remembers as many messages as its region holds.
#[derive(Debug)]
pub struct LadderRing<R> {
    region: R,
    tail: usize,
    head: usize,
    count: u64,
}

impl<R: AsRef<[u8]> + AsMut<[u8]>> LadderRing<R> {
    /// Goes on with what `region` holds; if that is nothing of ours, starts with nothing.
    pub fn open(region: R) -> Self {
        let mut ring = LadderRing { region, tail: FRONT, head: FRONT, count: 0 };
        let word = |at: usize| {
            let bytes = ring.region.as_ref().get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        if word(0) == MAGIC {
            let found = (word(8) as usize, word(16) as usize, word(24));
            (ring.tail, ring.head, ring.count) = found;
            // Walking a long ring takes time that whoever takes over has not.
            let (is_in_range, was_writing) = (ring.is_in_range(), word(32) != 0);
            if !is_in_range || was_writing && !ring.is_sound() {
                (ring.tail, ring.head, ring.count) = (FRONT, FRONT, 0);
            }
        }
        ring.write_front(false);
        ring
    }

    fn is_in_range(&self) -> bool {
        let range = FRONT..=self.region.as_ref().len();
        range.contains(&self.tail) && range.contains(&self.head)
    }

    /// Whether all entries can be walked.
    fn is_sound(&self) -> bool {
        let end = self.region.as_ref().len();
        let (mut at, mut left) = (self.tail, self.count);
        while left > 0 {
            at = self.unwrapped(at);
            match self.length(at) {
                Some(length) if length >= HEAD && at + length <= end => at += length,
                _ => return false,
            }
            left -= 1;
        }
        self.unwrapped(at) == self.unwrapped(self.head)
    }

    fn length(&self, at: usize) -> Option<usize> {
        let bytes = self.region.as_ref().get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    }

    /// The start of the region, if nothing follows at `at`.
    fn unwrapped(&self, at: usize) -> usize {
        match self.length(at) {
            None => FRONT,
            Some(length) if length == WRAP as usize => FRONT,
            Some(_) => at,
        }
    }

    fn write_front(&mut self, is_writing: bool) {
        let words = [MAGIC, self.tail as u64, self.head as u64, self.count, u64::from(is_writing)];
        for (number, word) in words.into_iter().enumerate() {
            if let Some(place) = self.region.as_mut().get_mut(number * 8..number * 8 + 8) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
    }

    /// Remembers one message of `call`; `party` is cut at 255 bytes. One that is larger than a quarter of the
    /// region is not remembered.
    pub fn push(&mut self, call: CallId, at: Moment, party: &str, to_us: bool, message: &[u8]) {
        let party = &party.as_bytes()[..party.floor_char_boundary(255)];
        let length = HEAD + party.len() + message.len();
        let end = self.region.as_ref().len();
        if length > (end - FRONT) / 4 {
            return;
        }
        self.write_front(true);
        if self.head + length > end {
            // Nothing fits behind the head any more: what lies there is given up, and the head goes round.
            self.give_up(self.head, end);
            let at = self.head;
            if let Some(mark) = self.region.as_mut().get_mut(at..at + 4) {
                mark.copy_from_slice(&WRAP.to_le_bytes());
            }
            if self.count == 0 {
                self.tail = FRONT;
            }
            self.head = FRONT;
        }
        self.give_up(self.head, self.head + length);
        self.write_front(true);
        let mut raw = [0; HEAD];
        raw[..4].copy_from_slice(&(length as u32).to_le_bytes());
        raw[4] = party.len() as u8;
        raw[5] = u8::from(to_us);
        raw[8..16].copy_from_slice(&call.0.to_le_bytes());
        raw[16..24].copy_from_slice(&at.as_micros().to_le_bytes());
        let place = &mut self.region.as_mut()[self.head..self.head + length];
        place[..HEAD].copy_from_slice(&raw);
        place[HEAD..HEAD + party.len()].copy_from_slice(party);
        place[HEAD + party.len()..].copy_from_slice(message);
        self.head += length;
        self.count += 1;
        self.write_front(false);
    }

    /// Gives up the oldest entries as long as they begin within `from..to`.
    fn give_up(&mut self, from: usize, to: usize) {
        while self.count > 0 {
            self.tail = self.unwrapped(self.tail);
            if !(from..to).contains(&self.tail) {
                return;
            }
            self.tail += self.length(self.tail).unwrap_or(HEAD);
            self.count -= 1;
        }
        self.tail = self.head;
    }

    /// The messages of `call`, oldest first.
    pub fn of(&self, call: CallId) -> Vec<Rung> {
        let mut rungs = Vec::new();
        let mut at = self.tail;
        for _ in 0..self.count {
            at = self.unwrapped(at);
            let Some(length) = self.length(at) else { break };
            let Some(entry) = self.region.as_ref().get(at..at + length) else { break };
            if entry.get(8..16) == Some(&call.0.to_le_bytes()[..]) {
                rungs.extend(rung(entry));
            }
            at += length;
        }
        rungs
    }

    /// How many messages are remembered.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn rung(entry: &[u8]) -> Option<Rung> {
    let (raw, rest) = entry.split_at_checked(HEAD)?;
    let (party, message) = rest.split_at_checked(usize::from(raw[4]))?;
    Some(Rung {
        at: Moment::from_micros(u64::from_le_bytes(raw[16..24].try_into().ok()?)),
        party: String::from_utf8_lossy(party).into_owned(),
        to_us: raw[5] == 1,
        message: message.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ring: &mut LadderRing<Vec<u8>>, number: u64, size: usize) {
        let message = vec![number as u8; size];
        ring.push(
            CallId(number % 3),
            Moment::from_micros(number),
            "caller",
            number.is_multiple_of(2),
            &message,
        );
    }

    #[test]
    fn the_newest_messages_are_remembered_in_order_and_across_a_death() {
        let mut ring = LadderRing::open(vec![0; 10_000]);
        for number in 0..1000 {
            push(&mut ring, number, 100 + (number as usize * 37) % 400);
            assert!(ring.is_sound(), "after {number}");
        }
        assert!(ring.len() > 15, "{} of about 30 messages", ring.len());
        let before: Vec<_> = (0..3).map(|call| ring.of(CallId(call))).collect();
        assert_eq!(before.iter().map(Vec::len).sum::<usize>() as u64, ring.len());
        assert!(before[0].is_sorted_by_key(|rung| rung.at));
        assert_eq!(before[0].last().unwrap().at, Moment::from_micros(999));

        let again = LadderRing::open(ring.region);
        assert_eq!((0..3).map(|call| again.of(CallId(call))).collect::<Vec<_>>(), before);
    }

    #[test]
    fn a_region_that_is_not_ours_or_damaged_is_begun_anew() {
        assert!(LadderRing::open(vec![7; 1000]).is_empty());
        let mut ring = LadderRing::open(vec![0; 4000]);
        (0..5).for_each(|number| push(&mut ring, number, 100));
        let mut region = ring.region;
        region[FRONT] = 0xff;
        region[FRONT + 2] = 0xff;
        let look = LadderRing::open(region.clone());
        assert!(look.of(CallId(1)).is_empty(), "what is damaged can't be walked, and harms nobody");
        // The process died while it wrote an entry.
        region[32] = 1;
        assert!(LadderRing::open(region).is_empty());
    }

    #[test]
    fn what_is_too_large_is_not_remembered() {
        let mut ring = LadderRing::open(vec![0; 1000]);
        push(&mut ring, 1, 900);
        assert!(ring.is_empty());
    }
}
