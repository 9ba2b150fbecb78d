//! Which uses of which nonces were seen (RFC 7616 3.4, `nc`): a request that is replayed is not accepted
//! again, one that was overtaken is.

use std::time::Duration;

use machine::{Key, Moment, Record, Shard, Tag};
use sip::digest::Checked;

use crate::kept;
use crate::memory::Memory;

/// How far behind the highest count a late request may be.
const WINDOW: u32 = 64;
/// How long a client that does not count may use a nonce.
const UNCOUNTED: Duration = Duration::from_secs(32);
const FORMAT: u8 = 1;
/// What is kept of [`Replays::since`] is ahead of it by up to so much, so that it need not be kept each time.
const AHEAD: u64 = 1_000_000;

/// What a use of a nonce is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Never seen, and it would have been.
    First,
    /// Seen before: a replay, or a retransmission.
    Again,
    /// Nobody can tell: the nonce is from before we began to count, or was forgotten for want of room.
    Unsure,
    /// The nonce is too old to be used at all.
    Over,
}

/// The uses of nonces, as far back as there is room.
#[derive(Debug)]
pub(crate) struct Replays {
    seen: Memory<Window>,
    /// Of nonces older than this, not all uses are known.
    since: Moment,
    /// What a successor will take for that.
    kept_since: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Whether a successor will know of it.
    is_kept: bool,
    /// Bit n: the count `highest - n` was used.
    used: u64,
    made: Moment,
}

/// Which request a nonce is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// A call: a replay would cost money, so its uses are kept.
    Call,
    /// A registration, which the order of CSeq guards as well.
    Registration,
}

impl Replays {
    /// Counts from now on, for `room` nonces.
    pub(crate) fn new(room: usize, now: Moment) -> Self {
        Replays { seen: Memory::new(room), since: now, kept_since: None }
    }

    /// What this use would be. `cseq` stands in for the count of a client that doesn't count.
    pub(crate) fn look(&self, checked: &Checked, cseq: u32, now: Moment) -> Use {
        let Some(nonce) = checked.nonce else { return Use::Over };
        if checked.nc.is_none() && checked.age > UNCOUNTED {
            return Use::Over;
        }
        match self.seen.get(spread(nonce)) {
            Some(window) if window.has(checked.nc.unwrap_or(cseq)) => Use::Again,
            Some(_) => Use::First,
            None if made(checked, now) >= self.since => Use::First,
            None => Use::Unsure,
        }
    }

    /// Notes this use, and what of it must be kept.
    pub(crate) fn note(
        &mut self,
        checked: &Checked,
        used: (u32, For),
        now: Moment,
        keep: &mut impl FnMut(Record),
    ) {
        let Some(nonce) = checked.nonce else { return };
        let (cseq, by) = used;
        let (nc, key) = (checked.nc.unwrap_or(cseq), spread(nonce));
        let window = match self.seen.get_mut(key) {
            Some(window) => {
                window.note(nc);
                window.is_kept |= by == For::Call;
                *window
            }
            None => {
                let window =
                    Window { highest: nc, is_kept: by == For::Call, used: 1, made: made(checked, now) };
                if let Some((forgotten, old)) = self.seen.insert(key, window) {
                    self.since = self.since.max(old.made.after(Duration::from_micros(1)));
                    if old.is_kept {
                        keep(record(kept::NONCE, forgotten, Vec::new()));
                    }
                }
                window
            }
        };
        if by == For::Call {
            keep(record(kept::NONCE, key, window.write()));
        }
        self.keep_since(keep);
    }

    /// Makes sure that a successor knows since when all uses are known.
    pub(crate) fn keep_since(&mut self, keep: &mut impl FnMut(Record)) {
        if self.kept_since.is_none_or(|kept| kept < self.since) {
            // The first is exact; later ones are ahead, for they move all the time.
            let ahead = if self.kept_since.is_some() { AHEAD } else { 0 };
            let since = Moment::from_micros(self.since.as_micros() + ahead);
            self.kept_since = Some(since);
            keep(record(kept::NONCES_SINCE, 0, since.as_micros().to_le_bytes().to_vec()));
        }
    }

    /// Makes room for so many more nonces.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.seen.reserve(more);
    }

    /// Takes up what a predecessor kept of a nonce; false if it can't be read.
    pub(crate) fn restore(&mut self, key: u128, body: &[u8]) -> bool {
        let window = Window::read(body);
        window.map(|window| self.seen.insert(key, window)).is_some()
    }

    /// Takes up since when all uses are known.
    pub(crate) fn restore_since(&mut self, body: &[u8]) -> bool {
        let Some(since) = body.first_chunk().map(|raw| Moment::from_micros(u64::from_le_bytes(*raw))) else {
            return false;
        };
        self.since = since;
        self.kept_since = Some(since);
        true
    }

    /// Forgets a nonce.
    pub(crate) fn forget(&mut self, key: u128) {
        self.seen.remove(key);
    }

    /// How many nonces are remembered.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

fn made(checked: &Checked, now: Moment) -> Moment {
    Moment::from_micros(now.as_micros().saturating_sub(checked.age.as_micros() as u64))
}

/// Nonces count up; maps like their keys spread.
fn spread(nonce: u64) -> u128 {
    u128::from(nonce).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn record(tag: Tag, key: u128, body: Vec<u8>) -> Record {
    Record { tag, shard: Shard::default(), key: Key(key), body }
}

impl Window {
    /// `format 1 | highest u32 | used u64 | made u64, microseconds`, little endian.
    fn write(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(21);
        body.push(FORMAT);
        body.extend_from_slice(&self.highest.to_le_bytes());
        body.extend_from_slice(&self.used.to_le_bytes());
        body.extend_from_slice(&self.made.as_micros().to_le_bytes());
        body
    }

    fn read(body: &[u8]) -> Option<Self> {
        let (&format, rest) = body.split_first()?;
        let (highest, rest) = rest.split_first_chunk()?;
        let (used, rest) = rest.split_first_chunk()?;
        let (made, _) = rest.split_first_chunk()?;
        (format == FORMAT).then(|| Window {
            highest: u32::from_le_bytes(*highest),
            is_kept: true,
            used: u64::from_le_bytes(*used),
            made: Moment::from_micros(u64::from_le_bytes(*made)),
        })
    }

    fn has(&self, nc: u32) -> bool {
        match self.highest.checked_sub(nc) {
            None => false,
            Some(behind) => behind >= WINDOW || self.used >> behind & 1 == 1,
        }
    }

    fn note(&mut self, nc: u32) {
        if nc > self.highest {
            self.used = self.used.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
        } else if self.highest - nc < WINDOW {
            self.used |= 1 << (self.highest - nc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::from_secs(1_000);

    fn counted(nonce: u64, nc: u32, age: u64) -> Checked {
        Checked { nonce: Some(nonce), age: Duration::from_secs(age), nc: Some(nc) }
    }

    fn used(replays: &mut Replays, checked: Checked) -> Use {
        let now = START.after(Duration::from_secs(60));
        let seen = replays.look(&checked, 1, now);
        replays.note(&checked, (1, For::Call), now, &mut drop);
        seen
    }

    /// What a predecessor kept, as its successor has it.
    fn successor(kept: Vec<Record>, room: usize) -> Replays {
        let mut replays = Replays::new(room, START.after(Duration::from_secs(90)));
        let newest: std::collections::BTreeMap<_, _> =
            kept.into_iter().map(|record| ((record.tag, record.key), record.body)).collect();
        for ((tag, key), body) in newest {
            if body.is_empty() {
                continue;
            }
            let taken = match tag {
                kept::NONCE => replays.restore(key.0, &body),
                _ => replays.restore_since(&body),
            };
            assert!(taken);
        }
        replays
    }

    #[test]
    fn a_successor_knows_what_calls_used_and_takes_new_what_none_used() {
        let (mut replays, mut kept) = (Replays::new(10, START), Vec::new());
        let now = START.after(Duration::from_secs(60));
        let mut keep = |record| kept.push(record);
        replays.keep_since(&mut keep);
        replays.note(&counted(7, 1, 50), (1, For::Call), now, &mut keep);
        replays.note(&counted(8, 1, 50), (1, For::Registration), now, &mut keep);
        let mut after = successor(kept, 10);
        let seen = |after: &Replays, checked| after.look(&checked, 1, START.after(Duration::from_secs(61)));
        assert_eq!(seen(&after, counted(7, 1, 51)), Use::Again);
        assert_eq!(seen(&after, counted(7, 2, 51)), Use::First);
        assert_eq!(seen(&after, counted(8, 1, 51)), Use::First);
        assert_eq!(seen(&after, counted(6, 1, 62)), Use::Unsure);
        after.forget(spread(7));
        assert_eq!(seen(&after, counted(7, 1, 51)), Use::First);
        assert!(!after.restore(1, &[9]) && !after.restore_since(&[1]));
    }

    #[test]
    fn what_was_forgotten_for_want_of_room_is_unsure_to_a_successor_too() {
        let (mut replays, mut kept) = (Replays::new(2, START), Vec::new());
        let now = START.after(Duration::from_secs(60));
        let mut keep = |record| kept.push(record);
        replays.keep_since(&mut keep);
        for nonce in 1..=3 {
            replays.note(&counted(nonce, 1, 50 - nonce * 5), (1, For::Call), now, &mut keep);
        }
        let after = successor(kept, 2);
        assert_eq!(after.look(&counted(1, 1, 45), 1, now), Use::Unsure);
        assert_eq!(after.look(&counted(2, 1, 40), 1, now), Use::Again);
        assert_eq!(after.len(), 2);
    }

    #[test]
    fn a_count_is_accepted_once_and_may_come_late() {
        let mut replays = Replays::new(10, START);
        for (nc, expected) in [
            (1, Use::First),
            (1, Use::Again),
            (3, Use::First),
            (2, Use::First),
            (2, Use::Again),
            (66, Use::First),
            (2, Use::Again),
            (4, Use::First),
            (u32::MAX, Use::First),
            (66, Use::Again),
        ] {
            assert_eq!(used(&mut replays, counted(7, nc, 1)), expected, "count {nc}");
        }
    }

    #[test]
    fn of_a_nonce_from_before_we_began_nobody_can_tell() {
        let mut replays = Replays::new(10, START);
        assert_eq!(used(&mut replays, counted(7, 5, 61)), Use::Unsure);
        assert_eq!(used(&mut replays, counted(7, 5, 61)), Use::Again);
        assert_eq!(used(&mut replays, counted(7, 6, 61)), Use::First);
    }

    #[test]
    fn what_was_forgotten_for_want_of_room_is_unsure_not_new() {
        let mut replays = Replays::new(2, START);
        for nonce in 1..=3 {
            assert_eq!(used(&mut replays, counted(nonce, 1, 60 - nonce)), Use::First);
        }
        assert_eq!(used(&mut replays, counted(1, 1, 59)), Use::Unsure);
    }

    #[test]
    fn a_client_that_does_not_count_uses_a_nonce_once_a_request_and_not_for_long() {
        let mut replays = Replays::new(10, START);
        let plain = |age| Checked { nonce: Some(9), age: Duration::from_secs(age), nc: None };
        assert_eq!(used(&mut replays, plain(1)), Use::First);
        assert_eq!(used(&mut replays, plain(2)), Use::Again);
        assert_eq!(used(&mut replays, plain(33)), Use::Over);
        assert_eq!(used(&mut replays, Checked { nonce: None, ..plain(1) }), Use::Over);
    }
}
