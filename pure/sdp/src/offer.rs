use std::net::{IpAddr, SocketAddr};

use crate::{Answer, Codec, Connection, Direction, Media, Origin, Session, negotiate};

/// What we have to offer, or to answer with: one audio stream of plain RTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where we take RTP.
    pub rtp: SocketAddr,
    /// Where we take RTCP, if not one port further.
    pub rtcp: Option<u16>,
    /// What we can read and write, best first.
    pub codecs: Vec<Codec>,
    /// What we want to do.
    pub direction: Direction,
    /// Milliseconds of sound in a packet.
    pub ptime: Option<u32>,
    /// The `o=` line.
    pub origin: Origin,
}

impl Offer {
    /// One audio stream on `ip` and `port`.
    pub fn audio(ip: IpAddr, port: u16, codecs: Vec<Codec>, direction: Direction) -> Self {
        let origin = Origin::new(1, 1, ip);
        Offer { rtp: SocketAddr::new(ip, port), rtcp: None, codecs, direction, ptime: Some(20), origin }
    }

    /// The same, with an id and a version of our choice in the `o=` line.
    #[must_use]
    pub fn signed(mut self, id: u64, version: u64) -> Self {
        self.origin = Origin::new(id, version, self.rtp.ip());
        self
    }

    /// The body of the offer.
    pub fn session(&self) -> Session {
        let mut session = self.empty();
        session.media.push(self.media(&self.codecs, self.direction));
        session
    }

    /// The body of a further offer in a session where we last said `before`: as many streams as there were
    /// (RFC 3264 8), all but this one refused.
    pub fn session_after(&self, before: &Session) -> Session {
        let mut session = self.empty();
        session.media.clone_from(&before.media);
        session.media.iter_mut().for_each(Media::reject);
        let audio = self.media(&self.codecs, self.direction);
        match before.audio_index() {
            Some(index) => session.media[index] = audio,
            None => session.media.push(audio),
        }
        session
    }

    /// The answer to the other side's offer.
    pub fn answer(&self, offer: &Session) -> Answer {
        negotiate::answer(self, offer)
    }

    pub(crate) fn empty(&self) -> Session {
        Session::new(self.origin.clone(), Connection::from(self.rtp.ip()).address)
    }

    pub(crate) fn media(&self, codecs: &[Codec], direction: Direction) -> Media {
        let mut media = Media::rtp("audio", self.rtp.port());
        codecs.iter().for_each(|codec| media.push_codec(codec));
        if let Some(ptime) = self.ptime {
            media.lines.set("ptime", &ptime.to_string());
        }
        if let Some(rtcp) = self.rtcp {
            media.lines.set("rtcp", &rtcp.to_string());
        }
        media.lines.set_direction(direction);
        media
    }
}
