use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which way a stream flows, seen from the side that says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// I send; you listen (a hold with music).
    SendOnly,
    /// I listen; you send.
    RecvOnly,
    /// Nobody sends.
    Inactive,
}

impl Direction {
    /// From what one side does.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the side that says it sends.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the side that says it wants to receive.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Direction::of(self.receives(), self.sends())
    }

    /// What both allow, seen from the same side.
    #[must_use]
    pub const fn and(self, other: Direction) -> Self {
        Direction::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// What to answer to `offered`, wanting `self` (RFC 3264 6.1).
    #[must_use]
    pub const fn answering(self, offered: Direction) -> Self {
        self.and(offered.reversed())
    }

    /// As an attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

impl FromStr for Direction {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "sendrecv" => Ok(Direction::SendRecv),
            "sendonly" => Ok(Direction::SendOnly),
            "recvonly" => Ok(Direction::RecvOnly),
            "inactive" => Ok(Direction::Inactive),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    #[test]
    fn answers_follow_the_table_of_rfc_3264() {
        for (offered, wanted, answer) in [
            (SendRecv, SendRecv, SendRecv),
            (SendOnly, SendRecv, RecvOnly),
            (RecvOnly, SendRecv, SendOnly),
            (Inactive, SendRecv, Inactive),
            (SendRecv, SendOnly, SendOnly),
            (SendOnly, SendOnly, Inactive),
            (RecvOnly, RecvOnly, Inactive),
        ] {
            assert_eq!(wanted.answering(offered), answer, "{offered:?} offered, {wanted:?} wanted");
        }
    }

    #[test]
    fn seen_from_the_other_side_twice_is_seen_from_here() {
        for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
            assert_eq!(direction.reversed().reversed(), direction);
            assert_eq!(direction.as_str().parse(), Ok(direction));
        }
    }
}
