//! The API over real HTTP, on a real bus and a real store, with exchange threads that say what they are told to.

#![allow(clippy::unwrap_used)]

mod accounts;
mod calls;
mod cells;
mod client;
mod door;
mod ladder;
mod office;
mod operation;
mod platform;
mod record_imports;
mod records;
mod streams;
