use std::net::SocketAddr;
use std::time::Duration;

use contract::CallId;
use contract::media::{LegWish, Payload};
use machine::Moment;
use rtp::event::Listener;
use rtp::{Receiver, RoundTrip};
use serde::{Deserialize, Serialize};

use crate::latch::Latch;
use crate::player::{Player, Voicing};
use crate::pool::Socket;

/// A set of payload numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers(u128);

impl Numbers {
    fn of<'a>(payloads: impl Iterator<Item = &'a Payload>) -> Self {
        Numbers(payloads.fold(0, |all, payload| all | 1 << (payload.number & 0x7f)))
    }

    #[inline]
    pub(crate) fn has(self, number: u8) -> bool {
        self.0 >> (number & 0x7f) & 1 == 1
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What is counted of a leg: kept every second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    /// What came from the phone.
    pub(crate) receiver: Receiver,
    /// RTP packets that went to the phone.
    pub(crate) sent: u64,
    /// The payload number heard last that is no event.
    pub(crate) payload_type: u8,
    /// By reports that went to the phone and came back.
    pub(crate) round_trip: RoundTrip,
    /// What the phone said it missed.
    pub(crate) remote_lost: Option<u64>,
}

/// Digits heard from the phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Digits {
    pub(crate) listener: Listener,
    pub(crate) count: u32,
}

/// One leg of a call, on the pair of ports that is its place in [`crate::Media`].
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) call: CallId,
    pub(crate) number: u8,
    pub(crate) pair: u32,
    pub(crate) latch: Latch,
    /// Where RTP to the phone goes: what the latch says, at hand.
    pub(crate) to: Option<SocketAddr>,
    /// The pair of the leg that hears this one.
    pub(crate) heard_by: Option<u32>,
    /// Something is being played to the phone, so it hears nobody else.
    pub(crate) is_played_to: bool,
    /// The numbers that the phone may use; empty: any.
    expected: Numbers,
    /// Those of them that are digits, if digits are wanted.
    pub(crate) events: Numbers,
    pub(crate) mux: bool,
    remote_rtcp: Option<SocketAddr>,
    /// Where RTCP of the phone came from last.
    pub(crate) reports_from: Option<SocketAddr>,
    pub(crate) counts: Counts,
    pub(crate) digits: Digits,
    pub(crate) voicing: Voicing,
    pub(crate) player: Option<Player>,
    /// From when on silence is counted, if nothing was heard since.
    pub(crate) quiet_from: Moment,
    /// The begin of the silence that was told already.
    pub(crate) told: Moment,
}

impl Leg {
    /// A leg that was not there before.
    pub(crate) fn new(call: CallId, number: u8, pair: u32, now: Moment, voicing: Voicing) -> Self {
        Leg {
            call,
            number,
            pair,
            latch: Latch::default(),
            to: None,
            heard_by: None,
            is_played_to: false,
            expected: Numbers::default(),
            events: Numbers::default(),
            mux: false,
            remote_rtcp: None,
            reports_from: None,
            counts: Counts::default(),
            digits: Digits::default(),
            voicing,
            player: None,
            quiet_from: now,
            told: Moment::START,
        }
    }

    /// What a wish says about this leg. `before` is the wish that it replaces.
    pub(crate) fn wish(&mut self, now: Moment, wish: &LegWish, before: Option<&LegWish>) {
        let resumed = before.is_some_and(|before| before.held && !wish.held);
        self.latch.expect(now, wish.remote_rtp, wish.signalling, resumed);
        if resumed {
            self.quiet_from = now;
        }
        self.derive(wish);
        if self.counts.receiver.ssrc().is_none() {
            let clock = wish.payloads.iter().find(|it| !is_event(it)).map_or(8_000, |it| it.clock.max(1));
            self.counts.receiver = Receiver::new(clock);
        }
    }

    /// What follows from a wish and needs not be kept.
    pub(crate) fn derive(&mut self, wish: &LegWish) {
        self.expected = Numbers::of(wish.payloads.iter());
        self.events = Numbers::of(wish.payloads.iter().filter(|it| wish.hear_digits && is_event(it)));
        self.mux = wish.rtcp_mux;
        self.remote_rtcp = wish.remote_rtcp;
        self.to = self.latch.target();
    }

    pub(crate) fn expects(&self, payload_type: u8) -> bool {
        self.expected.is_empty() || self.expected.has(payload_type)
    }

    /// Where the phone said it wants its reports.
    pub(crate) fn signalled_rtcp(&self) -> Option<SocketAddr> {
        self.remote_rtcp.or_else(|| self.latch.signalled().and_then(next_port))
    }

    /// From which of our sockets to where reports to the phone go.
    pub(crate) fn reports_to(&self) -> Option<(Socket, SocketAddr)> {
        if self.mux {
            return Some((Socket::rtp(self.pair), self.to?));
        }
        let guessed =
            if self.latch.is_elsewhere() { self.to.and_then(next_port) } else { self.signalled_rtcp() };
        Some((Socket::rtcp(self.pair), self.reports_from.or(guessed)?))
    }

    /// Since when nothing was heard.
    pub(crate) fn silent_since(&self) -> Moment {
        self.latch.last().max(self.quiet_from)
    }

    /// When the silence, if it lasts, becomes worth telling; `None` if it was told.
    pub(crate) fn silence_due(&self, limit: Duration) -> Option<Moment> {
        let since = self.silent_since();
        (since != self.told).then(|| since.after(limit))
    }
}

/// Whether a payload is digits (RFC 4733).
pub(crate) fn is_event(payload: &Payload) -> bool {
    payload.name.eq_ignore_ascii_case("telephone-event")
}

fn next_port(address: SocketAddr) -> Option<SocketAddr> {
    Some(SocketAddr::new(address.ip(), address.port().checked_add(1)?))
}
