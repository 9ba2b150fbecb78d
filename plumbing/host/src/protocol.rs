//! What a supervisor and a worker say to each other over the control socket, one message each.

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
    pub last_death: Option<String>,
}

/// Supervisor to worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The descriptors beside this message are called so, in this order.
    Deal(Vec<String>),
    /// That was all: begin.
    Start(Start),
    /// End in good order.
    Stop,
}

/// Worker to supervisor: everything is taken up again.
pub(crate) const READY: &[u8] = b"R";
/// No notice is longer.
pub(crate) const LONGEST: usize = 60_000;

impl Notice {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Notice::Deal(labels) => [b"D", labels.join("\n").as_bytes()].concat(),
            Notice::Start(start) => [b"G", serde_json::to_vec(start).unwrap_or_default().as_slice()].concat(),
            Notice::Stop => b"S".to_vec(),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match kind {
            b'D' => {
                let labels = std::str::from_utf8(rest).ok()?;
                Some(Notice::Deal(labels.split('\n').map(str::to_owned).collect()))
            }
            b'G' => serde_json::from_slice(rest).ok().map(Notice::Start),
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
        };
        for notice in
            [Notice::Deal(vec!["udp/0".into(), "pool/1".into()]), Notice::Start(start), Notice::Stop]
        {
            assert_eq!(Notice::decode(&notice.encode()), Some(notice));
        }
        assert_eq!(Notice::decode(b""), None);
        assert_eq!(Notice::decode(b"X"), None);
    }
}
