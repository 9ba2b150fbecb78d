//! What an exchange does, seen from its phones.
#![allow(clippy::unwrap_used)]

extern crate strowger_exchange as exchange;

mod phone;
mod platform;

mod authentication;
mod bounds;
mod calls;
mod cells;
mod events;
mod moving;
mod office;
mod registration;
mod restart;
mod shards;
mod tenants;
