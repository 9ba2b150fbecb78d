//! Which uses of which nonces were seen (RFC 7616 3.4, `nc`): a request that is replayed is not accepted
//! again, one that was overtaken is.

use std::time::Duration;

use machine::Moment;
use sip::digest::Checked;

use crate::memory::Memory;

/// How far behind the highest count a late request may be.
const WINDOW: u32 = 64;
/// How long a client that does not count may use a nonce.
const UNCOUNTED: Duration = Duration::from_secs(32);

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
}

#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Bit n: the count `highest - n` was used.
    used: u64,
    made: Moment,
}

impl Replays {
    /// Counts from now on, for `room` nonces.
    pub(crate) fn new(room: usize, now: Moment) -> Self {
        Replays { seen: Memory::new(room), since: now }
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

    /// Notes this use.
    pub(crate) fn note(&mut self, checked: &Checked, cseq: u32, now: Moment) {
        let Some(nonce) = checked.nonce else { return };
        let nc = checked.nc.unwrap_or(cseq);
        if let Some(window) = self.seen.get_mut(spread(nonce)) {
            window.note(nc);
            return;
        }
        let window = Window { highest: nc, used: 1, made: made(checked, now) };
        if let Some((_, forgotten)) = self.seen.insert(spread(nonce), window) {
            self.since = self.since.max(forgotten.made.after(Duration::from_micros(1)));
        }
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

impl Window {
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
        replays.note(&checked, 1, now);
        seen
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
