//! How many cells, hosts, cores and how much bandwidth a demand needs.
//!
//! | file | job |
//! |---|---|
//! | `erlang.rs` | Erlang B (who finds no place) and Erlang C (who must wait) |
//! | `demand.rs` | what is asked for, and what hosts are like |
//! | `figures.rs` | what was measured |
//! | `storm.rs` | everybody registers at once |
//! | `plan.rs` | the arithmetic |
//! | `steps.rs` | each figure with the sum that it comes from |

mod demand;
pub mod erlang;
mod figures;
mod plan;
mod steps;
pub mod storm;

pub use demand::{Demand, Host, Unplannable};
pub use figures::{Across, Figures, Missing, Row};
pub use plan::{Cell, Plan, Pool, Servers};
pub use steps::{Step, short};
pub use storm::Storm;
