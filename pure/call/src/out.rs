use serde::{Deserialize, Serialize};

use crate::Question;

/// A leg of a call: 0 is the caller's, each phone that was called has one of its own. It is the `part` of
/// every tag and Contact that we mint for the leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegNo(pub u16);

impl LegNo {
    /// The caller's.
    pub const CALLER: LegNo = LegNo(0);
}

/// What a call says, to be said once its snapshot is safe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallOut {
    /// SIP messages, in order.
    pub send: Vec<Sent>,
    /// Questions to others, in order.
    pub ask: Vec<Question>,
    /// The call's snapshot is to be taken anew. Without it the last one is as good: a successor finds out by
    /// its clock, or by asking again, whatever has changed since.
    pub keep: bool,
}

impl CallOut {
    /// How much was said so far.
    pub(crate) fn said(&self) -> (usize, usize) {
        (self.send.len(), self.ask.len())
    }
}

/// A SIP message for the edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// On which leg it goes out, for the ladder (see [`crate::Call::party`]).
    pub leg: LegNo,
    /// The whole message.
    pub bytes: Vec<u8>,
}
