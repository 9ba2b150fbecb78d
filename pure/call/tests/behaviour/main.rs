//! What a call does, one behaviour a file. After every input the call is written to a snapshot and read
//! again, so that each of these tests also survives a death between any two steps.

#![allow(clippy::unwrap_used)]

extern crate strowger_call as call;

mod abandoned;
mod apps;
mod billing;
mod busy;
mod cancel;
mod direct_media;
mod early_media;
mod forking;
mod glare;
mod golden;
mod half_dead;
mod hang_up;
mod hold;
mod info;
mod loops;
mod media_nodes;
mod moved_early;
mod no_answer;
mod offerless;
mod phone;
mod plain;
mod questions;
mod recovery;
mod redirection;
mod scene;
mod silence;
mod unreachable;
mod update;
