//! Several hosts in virtual time: exchanges and media, edges that stand in for each other, brokers, and all that
//! can happen to them. What they decide is the product's own code, from the machine up to `peering::Hosts`.
//!
//! | file | job |
//! |---|---|
//! | `prose.rs` | what tests and stories say |
//! | `world.rs` | the loop: the next event of all, and whose it is |
//! | `host.rs` | one host: its signalling threads, as the shell drives them, and its media |
//! | `wires.rs` | lines between hosts: they stall, break, and bring late what was said long ago |
//! | `brokers.rs` | who leads them, what they agree on |
//! | `knowledge.rs` | what was said by whom, and who else knows it: what must hold after each step |
//! | `rest.rs` | what must hold when all is over |
//! | `tale.rs` | thousands of calls and mishaps, made up from a seed |

mod brokers;
mod host;
mod knowledge;
mod prose;
mod rest;
mod tale;
mod wires;
mod world;

pub use prose::{Cluster, HostCall, HostPhone};
pub use tale::{Tale, narrate, narrate_with};
