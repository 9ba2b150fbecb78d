use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Connection, Media, Session};

/// What would let packets go past an anchor: other addresses, other ports, one port for several streams.
const BYPASS: [&str; 12] = [
    "rtcp",
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-lite",
    "ice-pacing",
    "bundle-only",
    "altc",
    "source-filter",
];

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
        self.lines.remove(&BYPASS);
        self.lines.retain(|line| line.as_attribute().is_none_or(|it| it.name != "group"));
    }

    /// The address in the `o=` and `c=` lines changes nothing for streams that pass us.
    fn give_own_connections(&mut self, audio: usize, before: Option<&Connection>) {
        let passing = self.media.iter_mut().enumerate().filter(|(index, _)| *index != audio);
        for (_, media) in passing.filter(|(_, media)| !media.is_rejected()) {
            if media.connection().is_none() {
                media.lines.set_connection(before);
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
    media.lines.remove(&BYPASS);
    if !anchor.mux {
        media.lines.remove(&["rtcp-mux", "rtcp-mux-only"]);
    }
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
