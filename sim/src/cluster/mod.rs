//! Several hosts in virtual time: exchanges and media, edges that stand in for each other, brokers, and all that
//! can happen to them. What they decide is the product's own code, from the machine up to `peering::Hosts`.
//!
//! | file | job |
//! |---|---|
//! | `prose.rs` | what tests and stories say |
//! | `world.rs` | the loop: the next event of all, and whose it is |
//! | `event.rs` | what will happen |
//! | `host.rs` | one host: its signalling process and its media |
//! | `thread.rs`, `mouth.rs` | a signalling thread, as the shell drives it, and what it says |
//! | `traffic.rs` | who hears what is said: packets, the bus, lines |
//! | `users.rs` | what users do |
//! | `mishaps.rs` | what goes wrong |
//! | `agreeing.rs` | what brokers agree on, and who hears of it when |
//! | `wires.rs` | lines between hosts: they stall, break, and bring late what was said long ago |
//! | `brokers.rs` | who leads them, what they agree on |
//! | `knowledge.rs` | what was said by whom, and who else knows it: what must hold after each step |
//! | `rest.rs` | what must hold when all is over |
//! | `tale.rs` | thousands of calls and mishaps, made up from a seed |

mod agreeing;
mod brokers;
mod event;
mod host;
mod knowledge;
mod mishaps;
mod mouth;
mod prose;
mod rest;
mod tale;
mod thread;
mod traffic;
mod users;
mod wires;
mod world;

pub use prose::{Cluster, HostCall, HostPhone};
pub use tale::{Tale, narrate, narrate_with};
