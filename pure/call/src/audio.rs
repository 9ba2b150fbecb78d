mod home;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use contract::CallId;
use contract::media::{Anchor, LegWish, Say, Sound};
use machine::terse::{address, is_default, maybe_address};
use sdp::{Author, Direction, Session};
use serde::{Deserialize, Serialize};

use crate::heard::Heard;

/// One of the two sides of a call's audio: media's leg 0 or leg 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Caller,
    Callee,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}

/// A description that can't be passed on: answered with 488.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

/// What one side said, and what the other is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passed {
    pub(crate) heard: Heard,
    #[serde(with = "serde_bytes")]
    pub(crate) told: Vec<u8>,
    /// Of which ports it is told (see [`Audio::moves`]).
    #[serde(default, skip_serializing_if = "is_default")]
    of: u16,
}

/// Where the anchor hears a leg's phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    leg: u8,
    #[serde(with = "address")]
    rtp: SocketAddr,
}

/// What is known of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Half {
    /// What its phone said last, as far as it matters to us.
    #[serde(skip_serializing_if = "is_default")]
    heard: Option<Heard>,
    /// What its phone was told last.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    told: Vec<u8>,
    /// Who signs what it is told.
    #[serde(skip_serializing_if = "is_default")]
    author: Option<Author>,
    /// The host that its signalling comes from.
    #[serde(with = "maybe_address", skip_serializing_if = "is_default")]
    source: Option<IpAddr>,
    /// How often its ports have changed.
    #[serde(skip_serializing_if = "is_default")]
    moves: u16,
    /// Of which of them its phone knows.
    #[serde(skip_serializing_if = "is_default")]
    told_of: u16,
}

/// The audio of a call: what both phones said and were told, and what the anchor should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Audio {
    /// The phones talk past us.
    #[serde(skip_serializing_if = "is_default")]
    direct: bool,
    /// Counts the wishes; 0: nothing was wished yet.
    #[serde(skip_serializing_if = "is_default")]
    version: u32,
    /// How many legs we want: one for an app, two between phones.
    #[serde(skip_serializing_if = "is_default")]
    legs: u8,
    /// The callee's phones live in IPv6.
    #[serde(skip_serializing_if = "is_default")]
    callee_ipv6: bool,
    /// Where the anchor hears us.
    #[serde(skip_serializing_if = "is_default")]
    ports: Vec<Place>,
    /// Which media node holds it.
    #[serde(skip_serializing_if = "is_default")]
    home: home::Home,
    halves: [Half; 2],
    /// The caller's first offer, until the call is answered.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    offer: Vec<u8>,
    /// What an app plays.
    #[serde(skip_serializing_if = "is_default")]
    say: Option<Say>,
    /// Counts what was played.
    #[serde(skip_serializing_if = "is_default")]
    says: u32,
    /// The call is answered: silence counts.
    #[serde(skip_serializing_if = "is_default")]
    live: bool,
}

impl Audio {
    /// The audio of a call that begins with `offer` (none: the INVITE had none).
    pub(crate) fn begin(direct: bool, offer: Option<Vec<u8>>) -> Result<Self, Unfit> {
        let mut audio = Audio { direct, ..Audio::default() };
        if let Some(offer) = offer {
            let session = Session::parse(&offer).map_err(|_| Unfit)?;
            if !direct && session.audio().is_none() {
                return Err(Unfit);
            }
            audio.halves[0].heard = Some(Heard::of(&session, &offer));
            audio.offer = offer;
        }
        Ok(audio)
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.direct
    }

    /// The caller wants to hear our offer first.
    pub(crate) fn is_offerless(&self) -> bool {
        self.halves[0].heard.is_none()
    }

    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn was_wished(&self) -> bool {
        self.version > 0
    }

    /// One side has put the other on hold.
    pub(crate) fn is_held(&self) -> bool {
        self.halves.iter().filter_map(|half| half.heard.as_ref()).any(Heard::is_hold)
    }

    /// What `side` was told last; empty: nothing yet.
    pub(crate) fn told(&self, side: Side) -> &[u8] {
        &self.half(side).told
    }

    /// Where `side`'s signalling comes from.
    pub(crate) fn comes_from(&mut self, side: Side, source: Option<IpAddr>) {
        self.half_mut(side).source = source;
    }

    /// Two phones shall talk.
    pub(crate) fn join_two(&mut self, callee_ipv6: bool) {
        (self.legs, self.callee_ipv6) = (2, callee_ipv6);
        self.version += 1;
    }

    /// An app shall talk; whatever the caller's account says, it does so through the anchor.
    pub(crate) fn join_one(&mut self) {
        (self.legs, self.direct) = (1, false);
        self.version += 1;
    }

    /// The call is answered.
    pub(crate) fn go_live(&mut self) {
        self.live = true;
        self.offer = Vec::new();
        self.version += 1;
    }

    /// The offer that the callee's phones get: the caller's; none if the caller made none.
    pub(crate) fn first_offer(&mut self, id: CallId) -> Result<Option<Vec<u8>>, Unfit> {
        if self.is_offerless() {
            return Ok(None);
        }
        if self.halves[1].told.is_empty() {
            let session = Session::parse(&self.offer).map_err(|_| Unfit)?;
            self.halves[1].told = self.pass_on(Side::Callee, session, id)?;
        }
        Ok(Some(self.halves[1].told.clone()))
    }

    /// Makes what the other side is told when `from` says `body`. Nothing has changed until
    /// [`Audio::agree`].
    pub(crate) fn pass(&mut self, from: Side, body: &[u8], id: CallId) -> Result<Passed, Unfit> {
        let session = Session::parse(body).map_err(|_| Unfit)?;
        let heard = Heard::of(&session, body);
        let of = self.moves(from.other());
        Ok(Passed { heard, told: self.pass_on(from.other(), session, id)?, of })
    }

    fn pass_on(&mut self, to: Side, mut session: Session, id: CallId) -> Result<Vec<u8>, Unfit> {
        if !self.direct {
            session.anchor(&sdp::Anchor::new(self.port(to).ok_or(Unfit)?.rtp));
        }
        Ok(self.sign(to, session, id))
    }

    /// What `from` said holds, and the other side was told of it.
    pub(crate) fn agree(&mut self, from: Side, passed: Passed) {
        self.hear(from, passed.heard);
        let other = self.half_mut(from.other());
        (other.told, other.told_of) = (passed.told, passed.of);
    }

    /// What `from` said holds.
    pub(crate) fn hear(&mut self, from: Side, heard: Heard) {
        self.half_mut(from).heard = Some(heard);
        self.version += 1;
    }

    /// `from` says the same as before.
    pub(crate) fn is_repeated(&self, from: Side, body: &[u8]) -> bool {
        self.half(from).heard.as_ref().is_some_and(|heard| heard.is_of(body))
    }

    /// What `to` was told last, as an offer to talk both ways (for a phone that wants our offer); under a
    /// new version where it differs.
    pub(crate) fn offer_again(&mut self, to: Side, id: CallId) -> Result<Vec<u8>, Unfit> {
        let mut session = Session::parse(&self.half(to).told).map_err(|_| Unfit)?;
        let index = session.audio_index().ok_or(Unfit)?;
        if !session.media[index].is_rejected() {
            session.media[index].lines.set_direction(Direction::SendRecv);
        }
        let told = self.sign(to, session, id);
        self.half_mut(to).told.clone_from(&told);
        Ok(told)
    }

    /// What `to` was told last, under a new version: it has agreed to something else meanwhile.
    pub(crate) fn tell_again(&mut self, to: Side, id: CallId) -> Result<Vec<u8>, Unfit> {
        let session = Session::parse(&self.half(to).told).map_err(|_| Unfit)?;
        let told = self.sign(to, session, id);
        self.half_mut(to).told.clone_from(&told);
        Ok(told)
    }

    /// What an app's side of the call says: the answer to the caller's `offer` (none: to the first one), or
    /// an offer of ours if there was none.
    pub(crate) fn answer_alone(&mut self, offer: Option<&[u8]>, id: CallId) -> Result<Vec<u8>, Unfit> {
        let rtp = self.port(Side::Caller).ok_or(Unfit)?.rtp;
        let codecs = vec![sdp::Codec::pcmu(), sdp::Codec::pcma(), sdp::Codec::telephone_event(101, 8000)];
        let ours = sdp::Offer::audio(rtp.ip(), rtp.port(), codecs, Direction::SendRecv);
        let session = match offer.unwrap_or(&self.offer) {
            b"" => ours.session(),
            offer => {
                let theirs = Session::parse(offer).map_err(|_| Unfit)?;
                let answer = ours.answer(&theirs);
                answer.agreed.map_err(|_| Unfit)?;
                let heard = Heard::of(&theirs, offer);
                self.hear(Side::Caller, heard);
                answer.session
            }
        };
        let told = self.sign(Side::Caller, session, id);
        self.half_mut(Side::Caller).told.clone_from(&told);
        self.knows_all(Side::Caller);
        Ok(told)
    }

    /// `side` answered our offer.
    pub(crate) fn hear_answer(&mut self, side: Side, body: &[u8]) -> Result<(), Unfit> {
        let session = Session::parse(body).map_err(|_| Unfit)?;
        self.hear(side, Heard::of(&session, body));
        Ok(())
    }

    /// Plays `sounds` to the caller, instead of what is playing.
    pub(crate) fn play(&mut self, sounds: Vec<Sound>) {
        self.says += 1;
        self.say = Some(Say { serial: self.says, sounds });
        self.version += 1;
    }

    /// What was played is over; whether it is what was wished last, and news.
    pub(crate) fn said(&mut self, serial: u32) -> bool {
        self.say.take_if(|say| say.serial == serial).is_some()
    }

    /// The legs of the wish; the caller of this fills in whose they are.
    pub(crate) fn wish(&self, inactivity_ms: u32) -> Anchor {
        let sides = [Side::Caller, Side::Callee].into_iter().take(usize::from(self.legs));
        Anchor {
            version: self.version,
            legs: sides.map(|side| self.leg_wish(side)).collect(),
            inactivity_ms: if self.live { inactivity_ms } else { 0 },
            ..Anchor::default()
        }
    }

    fn leg_wish(&self, side: Side) -> LegWish {
        let half = self.half(side);
        let heard = half.heard.as_ref();
        let ipv6 = heard.map(|heard| heard.ipv6);
        LegWish {
            leg: side as u8,
            ipv6: ipv6.unwrap_or(side == Side::Callee && self.callee_ipv6),
            remote_rtp: heard.and_then(|heard| heard.rtp),
            remote_rtcp: heard.and_then(|heard| heard.rtcp),
            signalling: half.source,
            rtcp_mux: false,
            peer: (self.legs == 2).then_some(side.other() as u8),
            held: !self.sends(side),
            payloads: heard.map(|heard| heard.payloads.clone()).unwrap_or_default(),
            hear_digits: self.legs == 1,
            say: if side == Side::Caller { self.say.clone() } else { None },
        }
    }

    /// Whether RTP is to be expected from `side`.
    fn sends(&self, side: Side) -> bool {
        let says = |heard: &Heard| !heard.refused && heard.direction.sends();
        let wanted = |heard: &Heard| !heard.refused && heard.direction.receives();
        let asked_for = match self.legs {
            1 => true,
            _ => self.half(side.other()).heard.as_ref().is_some_and(wanted),
        };
        asked_for && self.half(side).heard.as_ref().is_some_and(says)
    }

    fn sign(&mut self, to: Side, mut session: Session, id: CallId) -> Vec<u8> {
        let address = match self.port(to) {
            Some(port) => port.rtp.ip(),
            None => session.origin.address.ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        // Some phones read the id as a signed number.
        let author = self.half_mut(to).author.get_or_insert_with(|| Author::new(id.0 >> 1, address));
        author.write(&mut session)
    }

    fn port(&self, side: Side) -> Option<&Place> {
        self.ports.iter().find(|port| port.leg == side as u8)
    }

    fn half(&self, side: Side) -> &Half {
        &self.halves[side as usize]
    }

    fn half_mut(&mut self, side: Side) -> &mut Half {
        &mut self.halves[side as usize]
    }
}
