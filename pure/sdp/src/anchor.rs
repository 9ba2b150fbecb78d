use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Connection, Line, Media, Session};

/// Whether a line would let packets go past an anchor: other addresses, other ports, one port for several
/// streams.
fn bypasses(line: &Line) -> bool {
    match line.name() {
        Some(b"rtcp" | b"candidate" | b"remote-candidates" | b"end-of-candidates") => true,
        Some(b"ice-ufrag" | b"ice-pwd" | b"ice-options" | b"ice-lite" | b"ice-pacing") => true,
        Some(b"bundle-only" | b"altc" | b"source-filter") => true,
        Some(b"group") => line.value_of("group").is_some_and(|it| it.starts_with("BUNDLE")),
        _ => false,
    }
}

/// What becomes of the streams that are not the first audio stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They are refused with port 0.
    #[default]
    Reject,
    /// They go from phone to phone, past us.
    PassThrough,
}

/// The place where our media node stands between two phones, as one of them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Where we take RTP.
    pub rtp: SocketAddr,
    /// Where we take RTCP, if not one port further.
    #[serde(default)]
    pub rtcp: Option<SocketAddr>,
    /// Whether we can take both on one port; if not, `a=rtcp-mux` is taken out.
    #[serde(default)]
    pub mux: bool,
    /// What becomes of other streams.
    #[serde(default)]
    pub others: Others,
}

impl Anchor {
    /// An anchor with RTCP one port further, refusing all but audio.
    pub fn new(rtp: SocketAddr) -> Self {
        Anchor { rtp, rtcp: None, mux: false, others: Others::Reject }
    }
}

impl Session {
    /// Brings the first audio stream to `anchor` and takes away all that would lead past it. A hold by
    /// address of zeroes becomes a hold by direction, and what was refused stays refused. The `o=` line is
    /// [`crate::Author`]'s.
    pub fn anchor(&mut self, anchor: &Anchor) {
        let Some(index) = self.audio_index() else { return self.reject_but(usize::MAX, anchor.others) };
        let direction = self.stream(index).map(|stream| stream.direction()).unwrap_or_default();
        let explicit = self.media[index].direction().is_some() || self.lines.direction().is_some();
        self.reject_but(index, anchor.others);
        let before = self.lines.connection();
        let media = &mut self.media[index];
        if !media.is_rejected() {
            if explicit || direction != Default::default() {
                media.lines.set_direction(direction);
            }
            settle(media, anchor);
        }
        self.give_own_connections(index, before.as_ref());
        self.lines.set_connection(Some(&Connection::from(anchor.rtp.ip())));
        self.lines.retain(|line| !bypasses(line));
    }

    /// Our address in the session's `c=` line changes nothing for streams that pass us.
    fn give_own_connections(&mut self, audio: usize, before: Option<&Connection>) {
        let passing = self.media.iter_mut().enumerate().filter(|(index, _)| *index != audio);
        for (_, media) in passing.filter(|(_, media)| !media.is_rejected()) {
            match before {
                _ if media.connection().is_some() => {}
                Some(before) => media.lines.set_connection(Some(before)),
                None => media.reject(),
            }
        }
    }

    fn reject_but(&mut self, audio: usize, others: Others) {
        if others == Others::Reject {
            let rest = self.media.iter_mut().enumerate().filter(|(index, _)| *index != audio);
            rest.for_each(|(_, media)| media.reject());
        }
    }
}

fn settle(media: &mut Media, anchor: &Anchor) {
    media.port = anchor.rtp.port();
    media.ports = None;
    media.lines.set_connection(None);
    let is_mux = |line: &Line| matches!(line.name(), Some(b"rtcp-mux" | b"rtcp-mux-only"));
    media.lines.retain(|line| !bypasses(line) && (anchor.mux || !is_mux(line)));
    let usual = anchor.rtp.port().checked_add(1).map(|port| SocketAddr::new(anchor.rtp.ip(), port));
    match anchor.rtcp {
        Some(rtcp) if Some(rtcp) != usual => media.lines.set("rtcp", &rtcp_value(rtcp, anchor.rtp.ip())),
        _ => {}
    }
}

fn rtcp_value(rtcp: SocketAddr, rtp: IpAddr) -> String {
    if rtcp.ip() == rtp {
        rtcp.port().to_string()
    } else {
        format!("{} {}", rtcp.port(), Connection::from(rtcp.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Direction;

    const WEBRTC_LIKE: &str = "v=0\r\n\
        o=alice 1 1 IN IP4 10.0.0.1\r\n\
        s=-\r\n\
        c=IN IP4 10.0.0.1\r\n\
        t=0 0\r\n\
        a=group:BUNDLE 0 1\r\n\
        a=ice-lite\r\n\
        m=audio 4000 RTP/AVP 0 101\r\n\
        c=IN IP4 10.0.0.2\r\n\
        a=rtpmap:101 telephone-event/8000\r\n\
        a=rtcp:4444 IN IP4 10.0.0.9\r\n\
        a=rtcp-mux\r\n\
        a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host\r\n\
        a=ice-ufrag:8hhY\r\n\
        a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n\
        a=x-unknown:kept\r\n\
        m=video 5000 RTP/AVP 99\r\n\
        a=rtpmap:99 h263-1998/90000\r\n";

    fn anchored(body: &str, anchor: &Anchor) -> Session {
        let mut session = Session::parse(body.as_bytes()).unwrap();
        session.anchor(anchor);
        session
    }

    fn anchor() -> Anchor {
        Anchor::new("192.0.2.7:30000".parse().unwrap())
    }

    #[test]
    fn nothing_that_leads_past_us_is_left() {
        let session = anchored(WEBRTC_LIKE, &anchor());
        let expected = "v=0\r\n\
            o=alice 1 1 IN IP4 10.0.0.1\r\n\
            s=-\r\n\
            c=IN IP4 192.0.2.7\r\n\
            t=0 0\r\n\
            m=audio 30000 RTP/AVP 0 101\r\n\
            a=rtpmap:101 telephone-event/8000\r\n\
            a=x-unknown:kept\r\n\
            m=video 0 RTP/AVP 99\r\n";
        assert_eq!(session.to_string(), expected);
        assert_eq!(session.rtcp_target(), "192.0.2.7:30001".parse().ok());
    }

    #[test]
    fn rtcp_is_said_when_it_is_not_the_next_port() {
        let here = Anchor { rtcp: "192.0.2.7:30001".parse().ok(), ..anchor() };
        assert!(!anchored(WEBRTC_LIKE, &here).media[0].lines.has("rtcp"));
        let far = Anchor { rtcp: "192.0.2.7:40000".parse().ok(), ..anchor() };
        assert_eq!(anchored(WEBRTC_LIKE, &far).rtcp_target(), far.rtcp);
        let other = Anchor { rtcp: "192.0.2.8:40000".parse().ok(), ..anchor() };
        assert_eq!(anchored(WEBRTC_LIKE, &other).rtcp_target(), other.rtcp);
        let mux = Anchor { mux: true, ..anchor() };
        assert_eq!(anchored(WEBRTC_LIKE, &mux).rtcp_target(), Some(mux.rtp));
    }

    #[test]
    fn other_streams_pass_with_the_address_they_had() {
        let session = anchored(WEBRTC_LIKE, &Anchor { others: Others::PassThrough, ..anchor() });
        assert_eq!(session.rtp_target(), Some(anchor().rtp));
        assert_eq!(session.stream(1).unwrap().rtp_target(), "10.0.0.1:5000".parse().ok());
    }

    #[test]
    fn hold_by_zeroes_becomes_hold_by_direction_and_stays_hold() {
        let body = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let session = anchored(body, &anchor());
        assert!(session.is_hold());
        assert_eq!(session.media[0].direction(), Some(Direction::SendOnly));
        let body = body.replace("m=audio", "a=inactive\r\nm=audio");
        assert_eq!(anchored(&body, &anchor()).media[0].direction(), Some(Direction::Inactive));
    }

    #[test]
    fn what_was_refused_stays_refused() {
        let body = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n";
        assert_eq!(anchored(body, &anchor()).media[0].port, 0);
        let fax = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\nm=image 4000 udptl t38\r\n";
        assert_eq!(anchored(fax, &anchor()).media[0].port, 0);
        let passed = anchored(fax, &Anchor { others: Others::PassThrough, ..anchor() });
        assert_eq!(passed.stream(0).unwrap().rtp_target(), "10.0.0.1:4000".parse().ok());
    }

    #[test]
    fn an_anchor_of_the_other_family_changes_the_family() {
        let v6 = Anchor::new("[2001:db8::7]:30000".parse().unwrap());
        let session = anchored(WEBRTC_LIKE, &v6);
        assert_eq!(session.rtp_target(), Some(v6.rtp));
        assert!(session.to_string().contains("c=IN IP6 2001:db8::7\r\n"));
    }
}
