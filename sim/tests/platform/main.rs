//! The whole platform, one behaviour a file.

extern crate strowger_sim as sim;

mod calls;
mod deaths;
mod faults;
mod hosts;
mod power;
mod stories;
mod tales;
mod together;
