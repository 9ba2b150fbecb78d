use std::net::{IpAddr, SocketAddr};

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

    /// The address of [`Stream::connection`], unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.media.lines.connection_ip().or_else(|| self.session.lines.connection_ip()).flatten()
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
        !ice && self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// Where RTP is wanted; `None` if nowhere (refused, held by address) or if only a name is known.
    pub fn rtp_target(&self) -> Option<SocketAddr> {
        let ip = self.ip()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn session(media: &str) -> Session {
        let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
        Session::parse(format!("{head}{media}").as_bytes()).unwrap()
    }

    fn targets(media: &str) -> (Option<String>, Option<String>) {
        let session = session(media);
        (session.rtp_target().map(|it| it.to_string()), session.rtcp_target().map(|it| it.to_string()))
    }

    fn both(rtp: &str, rtcp: &str) -> (Option<String>, Option<String>) {
        (Some(rtp.to_owned()), Some(rtcp.to_owned()))
    }

    #[test]
    fn rtcp_goes_where_rfc_3605_and_rfc_5761_say() {
        let audio = "m=audio 49170 RTP/AVP 0\r\n";
        assert_eq!(targets(audio), both("192.0.2.1:49170", "192.0.2.1:49171"));
        let said = format!("{audio}a=rtcp:53020\r\n");
        assert_eq!(targets(&said), both("192.0.2.1:49170", "192.0.2.1:53020"));
        let elsewhere = format!("{audio}a=rtcp:53020 IN IP6 2001:2345:6789:ABCD:EF01:2345:6789:ABCD\r\n");
        let v6 = "[2001:2345:6789:abcd:ef01:2345:6789:abcd]:53020";
        assert_eq!(targets(&elsewhere), both("192.0.2.1:49170", v6));
        let mux = format!("{audio}a=rtcp:53020\r\na=rtcp-mux\r\n");
        assert_eq!(targets(&mux), both("192.0.2.1:49170", "192.0.2.1:49170"));
    }

    #[test]
    fn nothing_is_sent_to_refused_held_or_unknown_places() {
        assert_eq!(targets("m=audio 0 RTP/AVP 0\r\n"), (None, None));
        assert_eq!(targets("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"), (None, None));
        assert_eq!(targets("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 phone.example.org\r\n"), (None, None));
        assert_eq!(targets("m=video 4000 RTP/AVP 99\r\n"), (None, None));
        assert_eq!(targets("m=audio 65535 RTP/AVP 0\r\n").1, None);
    }

    #[test]
    fn hold_is_said_by_direction_or_the_old_way() {
        let held = |media: &str| session(media).is_hold();
        let audio = "m=audio 4000 RTP/AVP 0\r\n";
        assert!(!held(audio));
        assert!(held(&format!("{audio}a=sendonly\r\n")));
        assert!(held(&format!("{audio}a=inactive\r\n")));
        assert!(!held(&format!("{audio}a=recvonly\r\n")), "it still hears us");
        let zero = format!("{audio}c=IN IP4 0.0.0.0\r\n");
        assert!(held(&zero));
        assert_eq!(session(&zero).audio().unwrap().direction(), Direction::SendOnly);
        assert!(!held(&format!("{zero}a=ice-ufrag:8hhY\r\n")), "with ICE it means: not known yet");
        assert!(!held("m=audio 0 RTP/AVP 0\r\na=inactive\r\n"), "refused, not held");
    }

    #[test]
    fn a_direction_of_the_session_counts_where_the_stream_says_none() {
        let body = "a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\na=recvonly\r\n";
        let session = session(body);
        assert_eq!(session.stream(0).unwrap().direction(), Direction::SendOnly);
        assert_eq!(session.stream(1).unwrap().direction(), Direction::RecvOnly);
    }

    #[test]
    fn plain_audio_counts_before_secured_and_live_before_refused() {
        let body =
            "m=video 1 RTP/AVP 9\r\nm=audio 0 RTP/AVP 0\r\nm=audio 2 RTP/SAVP 0\r\nm=audio 4 RTP/AVP 0\r\n";
        assert_eq!(session(body).audio_index(), Some(3));
        assert_eq!(session("m=audio 0 RTP/AVP 0\r\nm=audio 2 RTP/SAVP 0\r\n").audio_index(), Some(1));
        assert_eq!(session("m=audio 0 RTP/AVP 0\r\n").audio_index(), Some(0));
        assert_eq!(session("m=image 4 udptl t38\r\n").audio_index(), None);
    }

    #[test]
    fn codecs_are_listed_best_first_with_their_parameters() {
        let body = "m=audio 4000 RTP/AVP 111 8 101 77 200 x\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
            a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1; maxptime=40\r\na=ptime:20\r\n";
        let session = session(body);
        let codecs = session.audio().unwrap().codecs();
        let names: Vec<&str> = codecs.iter().map(|codec| codec.name.as_str()).collect();
        assert_eq!(names, ["opus", "PCMA", "telephone-event"], "77 was never said, 200 is no payload type");
        assert_eq!(codecs[0].parameter("useinbandfec"), Some("1"));
        assert_eq!(codecs[2], Codec::telephone_event(101, 8000));
        assert_eq!(session.audio().unwrap().ptime(), Some(20));
    }
}
