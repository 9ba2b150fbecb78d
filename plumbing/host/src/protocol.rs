//! What a supervisor and a worker say to each other over the control socket, one message each.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

/// What a worker is told when all its descriptors have been dealt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The worker's name.
    pub name: String,
    /// How often it was started before.
    pub restarts: u64,
    /// The clock that all processes of the platform share.
    pub clock_anchor: u64,
    /// How its predecessor ended.
    #[serde(default)]
    pub last_death: Option<String>,
    /// What this program is given to be the supervisor's successor; empty if the worker ends with its supervisor.
    #[serde(default)]
    pub successor: Vec<OsString>,
    /// Whether somebody else (systemd) starts the supervisor again.
    #[serde(default)]
    pub looked_after: bool,
}

/// Supervisor to worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The descriptors beside this message are called so, in this order.
    Deal(Vec<String>),
    /// That was all: begin.
    Start(Start),
    /// To the standby: keep this, in place of what has the same key.
    Keep(String, String),
    /// Worker to supervisor: the descriptors beside this message, called so, are for who comes after me.
    Leave(Vec<String>),
    /// End in good order.
    Stop,
}

/// Worker to supervisor: everything is taken up again.
pub(crate) const READY: &[u8] = b"R";
/// Worker to supervisor: the program runs, and waits to be told to begin.
pub(crate) const JOINED: &[u8] = b"J";
/// Standby to successor: that was all; the rest of this connection is between supervisor and worker.
pub(crate) const YOURS: &[u8] = b"Y";
/// No notice is longer.
pub(crate) const LONGEST: usize = 60_000;

impl Notice {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Notice::Deal(labels) => [b"D", labels.join("\n").as_bytes()].concat(),
            Notice::Start(start) => [b"G", serde_json::to_vec(start).unwrap_or_default().as_slice()].concat(),
            Notice::Keep(key, text) => [b"K", key.as_bytes(), b"\n", text.as_bytes()].concat(),
            Notice::Leave(labels) => [b"L", labels.join("\n").as_bytes()].concat(),
            Notice::Stop => b"S".to_vec(),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let labels = || {
            let labels = std::str::from_utf8(rest).ok()?;
            Some(labels.split('\n').map(str::to_owned).collect())
        };
        match kind {
            b'D' => labels().map(Notice::Deal),
            b'L' => labels().map(Notice::Leave),
            b'G' => serde_json::from_slice(rest).ok().map(Notice::Start),
            b'K' => {
                let (key, text) = std::str::from_utf8(rest).ok()?.split_once('\n')?;
                Some(Notice::Keep(key.to_owned(), text.to_owned()))
            }
            b'S' => Some(Notice::Stop),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_survives_the_way() {
        let start = Start {
            name: "media".into(),
            restarts: 3,
            clock_anchor: 7,
            last_death: Some("killed by signal 9".into()),
            successor: vec!["serve".into()],
            looked_after: true,
        };
        let deal = Notice::Deal(vec!["udp/0".into(), "pool/1".into()]);
        let keep = Notice::Keep("deal media 0".into(), "port-0\nport-1".into());
        let leave = Notice::Leave(vec!["tcp-000-001-192.0.2.7:5060".into()]);
        for notice in [deal, Notice::Start(start), keep, leave, Notice::Stop] {
            assert_eq!(Notice::decode(&notice.encode()), Some(notice));
        }
        assert_eq!(Notice::decode(b""), None);
        assert_eq!(Notice::decode(b"X"), None);
    }

    #[test]
    fn a_start_of_the_first_version_is_understood() {
        let golden = br#"G{"name":"media","restarts":3,"clock_anchor":7,"last_death":"killed by signal 9"}"#;
        let Some(Notice::Start(start)) = Notice::decode(golden) else { panic!("not understood") };
        assert_eq!((start.name.as_str(), start.restarts, start.clock_anchor), ("media", 3, 7));
        assert_eq!((start.last_death.as_deref(), start.successor.len()), (Some("killed by signal 9"), 0));
    }
}
