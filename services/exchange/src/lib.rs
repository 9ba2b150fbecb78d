//! The exchange's shell: what a thread remembers of the messages of its calls.

mod ladder;

pub use ladder::LadderRing;
