//! RFC 3264 6 and 7: making an answer, and reading one.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// What both know, in `theirs` order and under `theirs` payload numbers. Without any voice there is nothing:
/// events and comfort noise are no call.
pub fn negotiate(theirs: &[Codec], ours: &[Codec]) -> Vec<Codec> {
    let known = |codec: &&Codec| ours.iter().any(|own| own.same_as(codec));
    let common: Vec<Codec> = theirs.iter().filter(known).cloned().collect();
    if common.iter().any(Codec::is_voice) { common } else { Vec::new() }
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
    if !media.is_plain_rtp() {
        return Err(Disagreement::Transport);
    }
    let codecs = negotiate(&media.codecs(), ours);
    let codec = codecs.iter().find(|codec| codec.is_voice()).ok_or(Disagreement::NoCodec)?.clone();
    let events = || codecs.iter().filter(|codec| codec.is_telephone_event());
    // There are phones that say 8000 beside any codec.
    let event = events().find(|event| event.clock == codec.clock).or_else(|| events().next()).cloned();
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";

    fn offer(media: &str) -> Session {
        Session::parse(format!("{HEAD}{media}").as_bytes()).unwrap()
    }

    fn bob(codecs: &[Codec]) -> Offer {
        Offer::audio("192.0.2.20".parse().unwrap(), 49_920, codecs.to_vec(), Direction::SendRecv).signed(7, 1)
    }

    #[test]
    fn rfc_4317_2_1_audio_and_video() {
        let answer = bob(&[Codec::pcmu()]).answer(&offer(
            "m=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\n\
             m=video 51372 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n",
        ));
        let expected = "v=0\r\n\
            o=- 7 1 IN IP4 192.0.2.20\r\n\
            s=-\r\n\
            c=IN IP4 192.0.2.20\r\n\
            t=0 0\r\n\
            m=audio 49920 RTP/AVP 0\r\n\
            a=rtpmap:0 PCMU/8000\r\n\
            a=ptime:20\r\n\
            a=sendrecv\r\n\
            m=video 0 RTP/AVP 31 32\r\n";
        assert_eq!(answer.session.to_string(), expected);
        let agreed = answer.agreed.unwrap();
        assert_eq!((agreed.codec, agreed.event), (Codec::pcmu(), None));
        assert_eq!(agreed.rtp, "192.0.2.9:49170".parse().ok());
    }

    #[test]
    fn the_answer_uses_the_offerers_order_and_numbers_and_our_parameters() {
        let media = "m=audio 4000 RTP/AVP 8 0 96 97\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n\
            a=rtpmap:97 opus/48000/2\r\n";
        let ours = [Codec::opus(111), Codec::pcmu(), Codec::pcma(), Codec::telephone_event(101, 8000)];
        let answer = bob(&ours).answer(&offer(media));
        assert_eq!(answer.session.media[0].formats, ["8", "0", "96", "97"]);
        assert_eq!(answer.session.media[0].codec(96), Some(Codec::telephone_event(96, 8000)));
        let agreed = answer.agreed.unwrap();
        assert_eq!(agreed.codec, Codec::pcma());
        assert_eq!(agreed.event.map(|event| event.payload), Some(96));
    }

    #[test]
    fn rfc_3264_5_1_hold_is_answered_by_its_reverse() {
        for (offered, answered) in
            [("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly")]
        {
            let answer =
                bob(&[Codec::pcmu()]).answer(&offer(&format!("m=audio 4000 RTP/AVP 0\r\na={offered}\r\n")));
            assert_eq!(answer.session.media[0].direction().map(Direction::as_str), Some(answered));
        }
        let old = bob(&[Codec::pcmu()]).answer(&offer("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"));
        assert_eq!(old.agreed.as_ref().unwrap().direction, Direction::RecvOnly);
        assert_eq!(old.agreed.unwrap().rtp, None);
    }

    #[test]
    fn without_a_voice_in_common_everything_is_refused() {
        let ours = [Codec::pcmu(), Codec::telephone_event(101, 8000)];
        let answer =
            bob(&ours).answer(&offer("m=audio 4000 RTP/AVP 18 96\r\na=rtpmap:96 telephone-event/8000\r\n"));
        assert_eq!(answer.agreed, Err(Disagreement::NoCodec));
        assert_eq!(answer.session.media[0].port, 0);
        let secured = bob(&ours).answer(&offer("m=audio 4000 RTP/SAVP 0\r\n"));
        assert_eq!(secured.agreed, Err(Disagreement::Transport));
        assert_eq!(
            bob(&ours).answer(&offer("m=video 4000 RTP/AVP 31\r\n")).agreed,
            Err(Disagreement::NoAudio)
        );
    }

    #[test]
    fn of_secured_and_plain_audio_the_plain_one_is_taken() {
        let answer =
            bob(&[Codec::pcmu()]).answer(&offer("m=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\n"));
        let ports: Vec<u16> = answer.session.media.iter().map(|media| media.port).collect();
        assert_eq!(ports, [0, 49_920]);
    }

    #[test]
    fn an_answer_tells_the_offerer_what_to_do() {
        let ours = [Codec::opus(111), Codec::pcmu(), Codec::telephone_event(101, 8000)];
        let mine = bob(&ours);
        let theirs =
            "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:40\r\na=rtcp-mux\r\n";
        let agreed = mine.answered(&offer(theirs)).unwrap();
        assert_eq!(
            (agreed.codec, agreed.direction, agreed.ptime),
            (Codec::pcmu(), Direction::SendRecv, Some(40))
        );
        assert_eq!(agreed.rtcp, agreed.rtp);
        assert_eq!(mine.answered(&offer("m=audio 0 RTP/AVP 0\r\n")), Err(Disagreement::Refused));
    }

    #[test]
    fn a_further_offer_keeps_the_number_of_streams() {
        let mine = bob(&[Codec::pcmu()]);
        let before = mine.answer(&offer("m=video 4000 RTP/AVP 31\r\nm=audio 4002 RTP/AVP 0\r\n")).session;
        let hold = Offer { direction: Direction::SendOnly, ..mine.signed(7, 2) }.session_after(&before);
        assert_eq!(hold.media.len(), 2);
        assert!(hold.media[0].is_rejected());
        assert_eq!(hold.media[1].direction(), Some(Direction::SendOnly));
        assert_eq!(hold.origin.version, "2");
    }

    #[test]
    fn codecs_that_are_not_wanted_are_left_out_with_all_about_them() {
        let mut session = offer(
            "m=audio 4000 RTP/AVP 0 18 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n\
             a=rtpmap:96 telephone-event/8000\r\n",
        );
        session.media[0].retain_codecs(|codec| codec.name != "G729");
        let expected =
            "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\n";
        assert_eq!(session.to_string(), format!("{HEAD}{expected}"));
    }
}
