//! Call control applications: what an app wants, given where it stands and what happened.
//!
//! | file | job |
//! |---|---|
//! | `apps.rs` | the machine: an event comes over the bus, instructions go back |
//! | `decide.rs` | the table of apps by name |
//! | `position.rs` | how an app remembers, without holding anything |
//! | `echo.rs` | `echo`: answers, greets, plays back what is pressed |

mod apps;
mod decide;
mod echo;
mod position;

pub use apps::Apps;
pub use decide::{APPS, decide};
