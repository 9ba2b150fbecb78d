//! What the signalling threads of different hosts say to each other, on one connection for each direction.
//!
//! | question | file |
//! |---|---|
//! | what goes over the wire | `frame.rs` |
//! | what was said and not yet acknowledged, and goes to the next owner if this one is lost | `outgoing.rs` |
//! | who must know what changes in a shard, and who does | `following.rs`; copies for those who do not: `copying.rs` |
//! | what a buddy knows of others' shards, to go on with if they are lost | `replica.rs` |
//! | who is heard, and who is a ghost | `fence.rs` |
//! | the other cells: who is there, and who is spoken to | `beyond.rs` |
//! | who is spoken to on which line, and what was heard there | `neighbours.rs` |
//! | what waits until a buddy knows of it | `held_back.rs` |
//! | what waits until all know of it who may go on | `finals.rs` |
//! | what whoever was taken for lost gives to those who own its shards by now | `estate.rs` |
//! | who slept, and says nothing until the brokers have spoken | `doubt.rs` |
//! | which shards go to another owner while calls go on | `handing.rs` |
//! | what the brokers are asked | `questions.rs` |
//! | what a new view means: adopt, forget, park, follow | `hosts.rs` |
//!
//! All are values: whoever has the sockets drives them, and so does the simulation.

mod beyond;
mod copying;
mod doubt;
mod estate;
mod fence;
mod finals;
mod following;
mod frame;
mod handing;
mod held_back;
mod hosts;
mod neighbours;
mod outgoing;
mod questions;
mod replica;

pub use beyond::Beyond;
pub use copying::Followed;
pub use fence::{Heard, hears};
pub use finals::is_final;
pub use following::{Following, Peer};
pub use frame::{Changed, Frame, Garbled, LONGEST, Reader, Wire, proof};
pub use held_back::{HeldBack, Waits};
pub use hosts::{Answers, Effect, Going, Hosts, alone, media, owned};
pub use neighbours::{Counts, Line, Neighbours, Said, Way, Wish};
pub use outgoing::{Outgoing, Undelivered};
pub use questions::Questions;
pub use replica::{Known, Replica};
