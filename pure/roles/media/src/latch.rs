//! RFC 7362 4 and 5: whose packets a leg hears. Phones behind NAT send from elsewhere than they say, so the
//! source of what comes is what counts; but not just anybody's.
//!
//! - Nobody is heard before he has sent two packets in a row that fit the leg; the address that was signalled is
//!   believed at the first.
//! - Once somebody is heard, only a *better known* source takes over while he speaks: the signalled address is
//!   better than one at the host that signals, and that is better than any other.
//! - When he has been silent for a while, another source may go on with his stream (same SSRC, numbers that
//!   follow: a NAT forgot its mapping), or, just after the exchange had reason to expect a change (another far
//!   address, the end of a hold), with any stream.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use machine::Moment;
use rtp::Header;
use serde::{Deserialize, Serialize};

/// Silence after which another source may go on.
const SILENT: Duration = Duration::from_millis(250);
/// A newcomer's second packet must come within this.
const PROBATION: Duration = Duration::from_secs(1);
/// How long after a change of the wish a stream of a new SSRC may come from elsewhere.
const EXPECTANT: Duration = Duration::from_secs(30);
/// The second packet of a newcomer may follow with so many lost between.
const STEP: u16 = 8;
/// A stream that goes on elsewhere has gone on counting, but not by more than two minutes' packets.
const GOES_ON: u16 = 6_000;

/// How well a source is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rank {
    /// It was the first.
    #[default]
    Elsewhere,
    /// It is at the host from which the phone's signalling comes.
    Near,
    /// The phone said that it would send from there.
    Signalled,
}

/// Who is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    source: SocketAddr,
    ssrc: u32,
    #[serde(default)]
    sequence: u16,
    #[serde(default)]
    rank: Rank,
    #[serde(default)]
    last: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    sequence: u16,
    at: Moment,
}

/// What becomes of a packet's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is heard from now on.
    Taken,
    /// It may be, if it goes on.
    Probation,
    /// It is not heard.
    Stranger,
}

/// Whose packets one leg hears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Latch {
    heard: Option<Heard>,
    signalled: Option<SocketAddr>,
    /// The host that the phone's signalling comes from.
    near: Option<IpAddr>,
    expectant_until: Moment,
    /// The phone sent from where it said, and now says another address: nothing came from there yet.
    moving: bool,
    #[serde(skip)]
    candidate: Option<Candidate>,
}

impl Latch {
    /// The wish says where the phone wants its packets and where its signalling comes from; `resumed` if a hold
    /// ended.
    pub(crate) fn expect(
        &mut self,
        now: Moment,
        signalled: Option<SocketAddr>,
        near: Option<IpAddr>,
        resumed: bool,
    ) {
        let moved = self.signalled != signalled;
        (self.signalled, self.near) = (signalled, near);
        if moved {
            let truthful = self.heard.is_some_and(|heard| heard.rank == Rank::Signalled);
            self.moving = truthful || self.moving;
        }
        if (moved || resumed) && self.heard.is_some() {
            self.expectant_until = now.after(EXPECTANT);
            self.candidate = None;
        }
        if let Some(source) = self.heard.map(|heard| heard.source) {
            let rank = self.rank(source);
            if let Some(heard) = &mut self.heard {
                heard.rank = rank;
            }
        }
    }

    /// The way for almost every packet: is it from whom we hear?
    #[inline]
    pub(crate) fn passes(&mut self, now: Moment, source: &SocketAddr, header: &Header) -> bool {
        match &mut self.heard {
            Some(heard) if heard.source == *source => {
                (heard.ssrc, heard.sequence, heard.last) = (header.ssrc, header.sequence, now);
                true
            }
            _ => false,
        }
    }

    /// A packet that fits the leg but came from elsewhere.
    #[cold]
    pub(crate) fn admit(&mut self, now: Moment, source: SocketAddr, header: &Header) -> Admission {
        let rank = self.rank(source);
        if !self.may_come(now, rank, header) {
            return Admission::Stranger;
        }
        if rank != Rank::Signalled {
            match self.prove(now, source, header) {
                Admission::Taken => {}
                other => return other,
            }
        }
        (self.candidate, self.moving) = (None, false);
        let (ssrc, sequence) = (header.ssrc, header.sequence);
        self.heard = Some(Heard { source, ssrc, sequence, rank, last: now });
        Admission::Taken
    }

    fn may_come(&self, now: Moment, rank: Rank, header: &Header) -> bool {
        let Some(heard) = self.heard else { return true };
        if rank > heard.rank {
            return true;
        }
        let ahead = header.sequence.wrapping_sub(heard.sequence);
        let goes_on = header.ssrc == heard.ssrc && (1..GOES_ON).contains(&ahead);
        now.since(heard.last) >= SILENT && (goes_on || now < self.expectant_until)
    }

    fn prove(&mut self, now: Moment, source: SocketAddr, header: &Header) -> Admission {
        let (ssrc, sequence) = (header.ssrc, header.sequence);
        if let Some(tried) = self.candidate.filter(|it| now.since(it.at) <= PROBATION) {
            let same = (tried.source, tried.ssrc) == (source, ssrc);
            if same && (1..=STEP).contains(&sequence.wrapping_sub(tried.sequence)) {
                return Admission::Taken;
            }
            // The first one is being tried; a second one waits, unless he is better known.
            if !same && self.rank(tried.source) >= self.rank(source) {
                return Admission::Stranger;
            }
        }
        self.candidate = Some(Candidate { source, ssrc, sequence, at: now });
        Admission::Probation
    }

    fn rank(&self, source: SocketAddr) -> Rank {
        if Some(source) == self.signalled {
            Rank::Signalled
        } else if Some(source.ip()) == self.near {
            Rank::Near
        } else {
            Rank::Elsewhere
        }
    }

    /// Where packets to the phone go: to where its own come from. Once it says another address they go there
    /// at once, unless what it says was never where it is.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        match self.heard {
            Some(heard) if !self.moving => Some(heard.source),
            _ => self.signalled,
        }
    }

    /// Whether RTCP from `source` is the phone's: from its host, or from where it said.
    pub(crate) fn passes_report(&self, source: SocketAddr, signalled: Option<SocketAddr>) -> bool {
        Some(source) == signalled
            || match self.heard {
                Some(heard) => heard.source.ip() == source.ip(),
                None => self.signalled.is_some_and(|it| it.ip() == source.ip()),
            }
    }

    /// Where the phone says it is.
    pub(crate) fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }

    /// Whether the phone is not where it says.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.heard.is_some_and(|heard| Some(heard.source) != self.signalled)
    }

    /// When a packet was heard last; [`Moment::START`] if none was.
    pub(crate) fn last(&self) -> Moment {
        self.heard.map_or(Moment::START, |heard| heard.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Somebody who sends a stream.
    struct Party {
        address: SocketAddr,
        header: Header,
    }

    fn party(address: &str, ssrc: u32) -> Party {
        Party {
            address: address.parse().unwrap(),
            header: Header { ssrc, sequence: 100, ..Header::default() },
        }
    }

    impl Party {
        fn sends(&mut self, latch: &mut Latch, now: Moment) -> bool {
            self.header.sequence += 1;
            latch.passes(now, &self.address, &self.header)
                || latch.admit(now, self.address, &self.header) == Admission::Taken
        }

        fn moves_to(&mut self, address: &str) {
            self.address = address.parse().unwrap();
        }
    }

    fn latch_for(signalled: &str, near: &str) -> Latch {
        let mut latch = Latch::default();
        latch.expect(start(), signalled.parse().ok(), near.parse().ok(), false);
        latch
    }

    fn start() -> Moment {
        Moment::from_secs(1_000)
    }

    #[test]
    fn the_signalled_address_is_believed_at_once() {
        let mut latch = latch_for("192.0.2.10:4000", "");
        assert_eq!(latch.target(), "192.0.2.10:4000".parse().ok());
        assert!(party("192.0.2.10:4000", 1).sends(&mut latch, start()));
    }

    #[test]
    fn a_phone_behind_nat_is_heard_from_its_second_packet_and_answered_there() {
        let mut latch = latch_for("10.0.0.7:4000", "198.51.100.1");
        let mut phone = party("198.51.100.1:61000", 1);
        assert!(!phone.sends(&mut latch, start()));
        assert!(phone.sends(&mut latch, start()));
        assert_eq!(latch.target(), "198.51.100.1:61000".parse().ok());
    }

    #[test]
    fn while_somebody_speaks_no_stranger_takes_over() {
        let mut latch = latch_for("10.0.0.7:4000", "198.51.100.1");
        let mut phone = party("198.51.100.1:61000", 1);
        let mut thief = party("203.0.113.66:9", 1);
        for step in 0..100 {
            let now = start().after(Duration::from_millis(20) * step);
            assert_eq!(phone.sends(&mut latch, now), step > 0);
            thief.header.sequence = phone.header.sequence;
            assert!(!thief.sends(&mut latch, now), "even one who knows the stream");
        }
        assert_eq!(latch.target(), Some(phone.address));
    }

    #[test]
    fn a_thief_who_was_first_gives_way_to_better_known_sources() {
        let mut latch = latch_for("192.0.2.10:4000", "192.0.2.10");
        let mut thief = party("203.0.113.66:9", 6);
        let mut near = party("192.0.2.10:7777", 7);
        let mut phone = party("192.0.2.10:4000", 8);
        for party in [&mut thief, &mut near] {
            assert!(!party.sends(&mut latch, start()));
            assert!(party.sends(&mut latch, start()));
        }
        assert!(phone.sends(&mut latch, start()));
        assert!(!thief.sends(&mut latch, start()));
        assert!(!near.sends(&mut latch, start()));
        assert!(phone.sends(&mut latch, start()));
    }

    #[test]
    fn of_two_newcomers_the_first_is_tried() {
        let mut latch = latch_for("10.0.0.7:4000", "");
        let (mut first, mut second) = (party("198.51.100.1:61000", 1), party("203.0.113.66:9", 2));
        assert!(!first.sends(&mut latch, start()));
        assert!(!second.sends(&mut latch, start()));
        assert!(!second.sends(&mut latch, start()));
        assert!(first.sends(&mut latch, start()));
    }

    #[test]
    fn a_stream_goes_on_from_elsewhere_after_silence_if_it_is_the_same() {
        let mut latch = latch_for("10.0.0.7:4000", "");
        let mut phone = party("198.51.100.1:61000", 1);
        assert!(!phone.sends(&mut latch, start()));
        assert!(phone.sends(&mut latch, start()));
        let later = start().after(SECOND);
        let mut thief = party("203.0.113.66:9", 2);
        assert!(!thief.sends(&mut latch, later));
        assert!(!thief.sends(&mut latch, later));
        phone.moves_to("198.51.100.1:61999");
        assert!(!phone.sends(&mut latch, later));
        assert!(phone.sends(&mut latch, later));
        assert_eq!(latch.target(), Some(phone.address));
    }

    #[test]
    fn after_a_hold_the_phone_may_come_from_elsewhere_with_another_stream() {
        let mut latch = latch_for("10.0.0.7:4000", "");
        let mut phone = party("198.51.100.1:61000", 1);
        assert!(!phone.sends(&mut latch, start()));
        assert!(phone.sends(&mut latch, start()));
        let later = start().after(60 * SECOND);
        let mut resumed = party("198.51.100.1:61999", 2);
        assert!(!resumed.sends(&mut latch, later));
        assert!(!resumed.sends(&mut latch, later));
        latch.expect(later, "10.0.0.7:4000".parse().ok(), None, true);
        assert!(!resumed.sends(&mut latch, later));
        assert!(resumed.sends(&mut latch, later));
    }

    #[test]
    fn a_truthful_phone_that_says_another_address_is_answered_there_at_once() {
        let mut latch = latch_for("192.0.2.10:4000", "");
        assert!(party("192.0.2.10:4000", 1).sends(&mut latch, start()));
        latch.expect(start(), "192.0.2.99:5000".parse().ok(), None, false);
        assert_eq!(latch.target(), "192.0.2.99:5000".parse().ok());
        assert!(party("192.0.2.10:4000", 1).sends(&mut latch, start()), "its last packets are still heard");
        assert!(party("192.0.2.99:5000", 2).sends(&mut latch, start()));
        assert!(!party("192.0.2.10:4000", 1).sends(&mut latch, start()));
    }

    #[test]
    fn a_phone_that_never_was_where_it_says_is_answered_where_it_is() {
        let mut latch = latch_for("10.0.0.7:4000", "");
        let mut phone = party("198.51.100.1:61000", 1);
        assert!(!phone.sends(&mut latch, start()));
        assert!(phone.sends(&mut latch, start()));
        latch.expect(start(), "10.0.0.7:4002".parse().ok(), None, false);
        assert_eq!(latch.target(), Some(phone.address));
    }
}
