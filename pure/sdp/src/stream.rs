use std::net::SocketAddr;

use crate::{Codec, Connection, Direction, Media, Session};

/// A media description together with what the session level says for it.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    session: &'a Session,
    media: &'a Media,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(session: &'a Session, media: &'a Media) -> Self {
        Stream { session, media }
    }

    /// The media description itself.
    pub fn media(&self) -> &'a Media {
        self.media
    }

    /// The codecs it offers, best first.
    pub fn codecs(&self) -> Vec<Codec> {
        self.media.codecs()
    }

    /// Milliseconds of sound in a packet, if it was said.
    pub fn ptime(&self) -> Option<u32> {
        self.media.ptime()
    }

    /// Its own `c=` line, or the session's.
    pub fn connection(&self) -> Option<Connection> {
        self.media.connection().or_else(|| self.session.lines.connection())
    }

    /// Its direction, or the session's, or both ways. The old way to hold (RFC 2543: `c=IN IP4 0.0.0.0`)
    /// takes the hearing away.
    pub fn direction(&self) -> Direction {
        let said = self.media.direction().or_else(|| self.session.lines.direction()).unwrap_or_default();
        if self.is_held_by_address() { said.and(Direction::SendOnly) } else { said }
    }

    /// Whether it says hold by an address of zeroes. (With ICE that address means "not known yet".)
    fn is_held_by_address(&self) -> bool {
        let ice = self.media.lines.has("ice-ufrag") || self.session.lines.has("ice-ufrag");
        !ice && self.connection().and_then(|it| it.address.ip()).is_some_and(|ip| ip.is_unspecified())
    }

    /// Where RTP is wanted; `None` if nowhere (refused, held by address) or if only a name is known.
    pub fn rtp_target(&self) -> Option<SocketAddr> {
        let ip = self.connection()?.address.ip()?;
        (self.media.port != 0 && !ip.is_unspecified()).then(|| SocketAddr::new(ip, self.media.port))
    }

    /// Where RTCP is wanted: on RTP's port (RFC 5761), where `a=rtcp` says (RFC 3605), or one port further.
    pub fn rtcp_target(&self) -> Option<SocketAddr> {
        let rtp = self.rtp_target()?;
        if self.media.rtcp_mux() {
            return Some(rtp);
        }
        match self.media.rtcp() {
            Some(rtcp) if rtcp.port == 0 => None,
            Some(rtcp) => Some(SocketAddr::new(rtcp.ip.unwrap_or(rtp.ip()), rtcp.port)),
            None => Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)),
        }
    }
}
