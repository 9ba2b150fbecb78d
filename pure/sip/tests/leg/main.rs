//! Legs against peers that say what the test wants, and against each other over a wire that loses things.

extern crate strowger_sip as sip;

mod called;
mod calling;
mod changing;
mod ending;
mod lossy;
mod session;
mod solo;
