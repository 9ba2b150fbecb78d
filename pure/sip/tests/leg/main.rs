//! Legs against peers that say what the test wants, and against each other over a wire that loses things.

#![allow(clippy::unwrap_used)] // tests, though not all of their functions are marked so

extern crate strowger_sip as sip;

mod called;
mod calling;
mod changing;
mod ending;
mod fuzzed;
mod lossy;
mod session;
mod solo;
