//! The whole platform in virtual time, on `pure/` alone: phones, a wire that loses, an edge, an exchange, apps,
//! a media node, billing, a store; its own clocks, bus and journals; and deaths between any two steps.
//!
//! Everything follows from a seed. After each step what must always hold is looked at; what does not hold
//! stops the run with the seed and the step, and the same seed comes to the same step again.
//!
//! ```
//! use strowger_sim::{Platform, secs};
//! let platform = Platform::new(1);
//! let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
//! let call = alice.invite("bob");
//! platform.advance(secs(2));
//! bob.answer();
//! platform.advance(secs(2));
//! platform.kill_signalling();
//! platform.advance(secs(2));
//! assert!(call.has_two_way_audio());
//! alice.hang_up();
//! platform.come_to_rest();
//! assert_eq!(call.record().cause, "caller hung up");
//! ```
//!
//! | file | job |
//! |---|---|
//! | `platform.rs` | what tests and stories say: prose |
//! | `world.rs` | the loop: the next event of all, and whose it is |
//! | `agenda.rs` | what will happen when |
//! | `chance.rs`, `wire.rs` | randomness from a seed; what a network does to packets |
//! | `signalling.rs`, `media.rs`, `office.rs`, `handset.rs` | who lives here |
//! | `in_journal.rs` | how flows stand in their journals |
//! | `hosts.rs` | several media hosts, and those that die for ever |
//! | `death.rs` | where within a turn a process dies |
//! | `power.rs`, `disk.rs` | a power loss, and what it leaves |
//! | `witness.rs`, `watch.rs`, `books.rs` | what must hold after each step, and at the end |
//! | `cluster/` | several hosts that go on for each other |
//! | `fault.rs` | what can be wrong on purpose, to see that it is found |
//! | `story.rs` | many calls and mishaps, made up from a seed |

mod agenda;
mod books;
mod chance;
mod cluster;
mod death;
mod disk;
mod fault;
mod handset;
mod hosts;
mod in_journal;
mod media;
mod office;
mod platform;
mod power;
mod signalling;
mod story;
mod watch;
mod wire;
mod witness;
mod world;

pub use cluster::{Cluster, HostCall, HostPhone, Tale, narrate, narrate_with};
pub use fault::Fault;
pub use platform::{CallView, Phone, Platform, millis, secs};
pub use story::{Told, tell, tell_with};
pub use wire::Conditions;
