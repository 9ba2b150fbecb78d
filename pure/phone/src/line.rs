//! One call: a leg, and its audio.

use machine::Moment;
use sdp::{Agreed, Codec, Direction, Offer, Session};
use sip::leg::{Leg, LegCommand, LegEvent, LegOut};

use crate::audio::{Audio, Packets};
use crate::phone::CallNo;
use crate::settings::Settings;

/// A call of the phone.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: CallNo,
    pub(crate) leg: Leg,
    pub(crate) audio: Audio,
    /// Which of the phone's audio addresses it uses.
    pub(crate) slot: usize,
    pub(crate) answer_at: Option<Moment>,
    pub(crate) is_up: bool,
    pub(crate) is_told_over: bool,
    /// The caller's offer, until it is answered.
    pub(crate) pending: Option<Option<Vec<u8>>>,
    offer: Offer,
    agreed: Option<Agreed>,
    version: u64,
}

impl Line {
    pub(crate) fn new(number: CallNo, leg: Leg, slot: usize, offer: Offer, audio: Audio) -> Self {
        Line {
            number,
            leg,
            audio,
            slot,
            answer_at: None,
            is_up: false,
            is_told_over: false,
            pending: None,
            offer,
            agreed: None,
            version: 1,
        }
    }

    /// What the phone offers on `slot`.
    pub(crate) fn offer(settings: &Settings, slot: usize, id: u64) -> Offer {
        let rtp = settings.audio[slot];
        let codecs = vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event(101, 8000)];
        Offer::audio(rtp.ip(), rtp.port(), codecs, Direction::SendRecv).signed(id, 1)
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        [self.leg.deadline(), self.audio.deadline(), self.answer_at].into_iter().flatten().min()
    }

    pub(crate) fn packets(&mut self, now: Moment) -> Packets {
        let mut packets = Packets::default();
        self.audio.expire(now, &mut packets);
        packets
    }

    /// Answers an offer of the peer: the body, or none if nothing can be agreed.
    pub(crate) fn answer(&mut self, offer: Option<&[u8]>, now: Moment) -> Option<Vec<u8>> {
        self.version += 1;
        self.offer.origin.version = self.version.to_string();
        let Some(offer) = offer else { return Some(self.offer.session().write()) };
        let answer = self.offer.answer(&Session::parse(offer).ok()?);
        let agreed = answer.agreed.ok()?;
        self.audio.agree(agreed.clone(), now);
        self.agreed = Some(agreed);
        Some(answer.session.write())
    }

    /// Takes the answer to an offer of ours.
    pub(crate) fn answered(&mut self, answer: Option<&[u8]>, now: Moment) {
        let session = answer.and_then(|body| Session::parse(body).ok());
        if let Some(Ok(agreed)) = session.map(|session| self.offer.answered(&session)) {
            self.audio.agree(agreed.clone(), now);
            self.agreed = Some(agreed);
        }
    }

    /// Puts the call on hold, or takes it back.
    pub(crate) fn reoffer(&mut self, direction: Direction) -> LegCommand {
        self.version += 1;
        self.offer.origin.version = self.version.to_string();
        self.offer.direction = direction;
        LegCommand::Reoffer { sdp: self.offer.session().write() }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.leg.is_over()
    }

    pub(crate) fn owns(&self, call_id: &[u8]) -> bool {
        self.leg.call_id().as_bytes() == call_id
    }
}

/// The sent messages and the events of a leg's step, apart.
pub(crate) fn parts(out: LegOut) -> (Vec<Vec<u8>>, Vec<LegEvent>) {
    (out.send, out.events)
}
