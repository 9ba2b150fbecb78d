use crate::chance::Chance;

/// Where within its next turn a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// The inputs are in the journal, none is decided.
    Received,
    /// So many inputs are decided, nothing is committed.
    Decided(u32),
    /// All is decided, nothing is committed.
    Uncommitted,
    /// All is committed, nothing is said.
    Unsaid,
    /// Of what is to be said, so many messages are out.
    Said(usize),
    /// All is said, and that is noted.
    Done,
}

impl Death {
    /// Any of them.
    pub(crate) fn any(chance: &mut Chance) -> Self {
        match chance.below(6) {
            0 => Death::Received,
            1 => Death::Decided(chance.below(4) as u32),
            2 => Death::Uncommitted,
            3 => Death::Unsaid,
            4 => Death::Said(chance.below(4) as usize),
            _ => Death::Done,
        }
    }
}
