//! Phones that register with a small registrar and call each other over a wire in memory.
#![allow(clippy::unwrap_used)] // tests, though not all of their functions are marked so

extern crate strowger_phone as phone;

mod calling;
mod registering;
mod servers;
mod talking;
mod world;
