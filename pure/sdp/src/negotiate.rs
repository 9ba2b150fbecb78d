//! RFC 3264 6 and 7: making an answer, and reading one.

use std::net::SocketAddr;

use thiserror::Error;

use crate::{Codec, Direction, Offer, Session, Stream};

/// An answer of ours, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The body. It refuses every stream if nothing could be agreed.
    pub session: Session,
    /// What both sides do from now on; if it is an error, refuse with 488.
    pub agreed: Result<Agreed, Disagreement>,
}

/// What both sides do from now on, seen from ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What to send with: the other side's payload number.
    pub codec: Codec,
    /// How to send digits, if the other side takes them as events.
    pub event: Option<Codec>,
    /// All codecs that both know, best first, under the other side's numbers.
    pub codecs: Vec<Codec>,
    /// Where to send RTP.
    pub rtp: Option<SocketAddr>,
    /// Where to send RTCP.
    pub rtcp: Option<SocketAddr>,
    /// Whether we send, whether we hear.
    pub direction: Direction,
    /// Milliseconds of sound that the other side wants in a packet.
    pub ptime: Option<u32>,
}

/// Why two sides can't talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Disagreement {
    /// There is no audio stream.
    #[error("no audio stream")]
    NoAudio,
    /// The audio stream was refused.
    #[error("the audio stream was refused")]
    Refused,
    /// The transport is not plain RTP.
    #[error("a transport other than RTP/AVP")]
    Transport,
    /// No codec is known to both.
    #[error("no codec in common")]
    NoCodec,
}

/// What both know, in `theirs` order and under `theirs` payload numbers. Events and comfort noise are kept
/// beside voice of their own clock only; without any voice there is nothing.
pub fn negotiate(theirs: &[Codec], ours: &[Codec]) -> Vec<Codec> {
    let known = |codec: &&Codec| ours.iter().any(|own| own.same_as(codec));
    let voices: Vec<&Codec> = theirs.iter().filter(|codec| codec.is_voice()).filter(known).collect();
    let beside = |codec: &Codec| codec.is_voice() || voices.iter().any(|voice| voice.clock == codec.clock);
    theirs.iter().filter(known).filter(|codec| beside(codec)).cloned().collect()
}

pub(crate) fn answer(ours: &Offer, offer: &Session) -> Answer {
    let mut session = ours.empty();
    session.media.clone_from(&offer.media);
    session.media.iter_mut().for_each(crate::Media::reject);
    if let Some(times) = offer.lines.first('t') {
        session.lines.retain(|line| line.kind() != 't');
        session.lines.push(times.clone());
    }
    let chosen = offer.audio_index().filter(|&index| !offer.media[index].is_rejected());
    let Some(index) = chosen else { return Answer { session, agreed: Err(Disagreement::NoAudio) } };
    let agreed = offer.stream(index).ok_or(Disagreement::NoAudio);
    let agreed = agreed.and_then(|stream| agree(&stream, &ours.codecs, ours.direction));
    if let Ok(agreed) = &agreed {
        session.media[index] = ours.media(&in_our_words(&agreed.codecs, &ours.codecs), agreed.direction);
        session.media[index].proto.clone_from(&offer.media[index].proto);
    }
    Answer { session, agreed }
}

/// Their numbers, our parameters.
fn in_our_words(agreed: &[Codec], ours: &[Codec]) -> Vec<Codec> {
    let own = |codec: &Codec| ours.iter().find(|own| own.same_as(codec)).and_then(|own| own.fmtp.clone());
    agreed.iter().map(|codec| Codec { fmtp: own(codec), ..codec.clone() }).collect()
}

fn agree(theirs: &Stream<'_>, ours: &[Codec], wanted: Direction) -> Result<Agreed, Disagreement> {
    let media = theirs.media();
    if media.is_rejected() {
        return Err(Disagreement::Refused);
    }
    if !matches!(media.proto.as_str(), "RTP/AVP" | "RTP/AVPF") {
        return Err(Disagreement::Transport);
    }
    let codecs = negotiate(&media.codecs(), ours);
    let codec = codecs.iter().find(|codec| codec.is_voice()).ok_or(Disagreement::NoCodec)?.clone();
    let event = codecs.iter().find(|it| it.is_telephone_event() && it.clock == codec.clock).cloned();
    Ok(Agreed {
        event,
        codecs,
        rtp: theirs.rtp_target(),
        rtcp: theirs.rtcp_target(),
        direction: wanted.answering(theirs.direction()),
        ptime: media.ptime(),
        codec,
    })
}

impl Offer {
    /// Reads the answer to this offer.
    pub fn answered(&self, answer: &Session) -> Result<Agreed, Disagreement> {
        let stream = answer.audio().ok_or(Disagreement::NoAudio)?;
        agree(&stream, &self.codecs, self.direction)
    }
}
