//! How the paths between nodes are, and which calls are better off at another media node (ADR 17).
//!
//! | file | job |
//! |---|---|
//! | `probe.rs` | a probe as bytes, sealed |
//! | `measure.rs` | one path: loss both ways, delay, its variation |
//! | `prober.rs` | asks the others, answers them |
//! | `known.rs` | what all nodes said: how good each node's paths are |
//! | `verdict.rs` | which nodes should lose calls: whose paths are worse, who is fuller; nothing flaps |
//! | `policy.rs` | which calls move where, and how fast |

mod known;
mod measure;
mod policy;
mod probe;
mod prober;
mod verdict;

pub use known::{Known, score};
pub use policy::{Candidate, Planned, Policy};
pub use prober::{Outgoing, Prober};
pub use verdict::Settings;
