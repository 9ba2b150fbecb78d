//! Registrar, authentication, location, routing and the calls: what one exchange thread decides for its shards.
//!
//! | file | job |
//! |---|---|
//! | `exchange.rs` | the machine: inputs, outputs, recovery |
//! | `decide.rs` | the routing page: which step looks at a message, in which order |
//! | `sanity.rs`, `in_dialog.rs`, `capabilities.rs`, `overload.rs`, `tenancy.rs`, `authentication.rs`, `registration.rs`, `destination.rs` | the steps |
//! | `view.rs`, `request.rs` | what steps look at |
//! | `perform.rs`, `answer.rs` | what decisions do and say |
//! | `phones.rs`, `binding.rs`, `bindings.rs` | a user's phones, their bytes, all of them |
//! | `location.rs` | finding phones, here or at another thread |
//! | `cells.rs`, `giving.rs` | accounts that live in other cells, or move there |
//! | `missing.rs` | which bindings must be restored before something is decided |
//! | `calls.rs`, `calling.rs`, `moving.rs` | the calls, what they want, and where their audio is |
//! | `bus.rs`, `questions.rs`, `waiting.rs` | what is asked, who waits for it |
//! | `accounts.rs`, `memory.rs`, `keyed.rs`, `replays.rs` | what is remembered of others |
//! | `records.rs`, `kept.rs` | call records on their way to the store; what the journal holds |
//! | `listing.rs`, `counters.rs` | what operators see |

mod accounts;
mod adoption;
mod answer;
mod authentication;
mod binding;
mod bindings;
mod bus;
mod calling;
mod calls;
mod capabilities;
mod cells;
mod counters;
mod decide;
mod destination;
mod exchange;
mod giving;
mod hashes;
mod in_dialog;
pub mod kept;
mod keyed;
mod listing;
mod location;
mod memory;
mod missing;
mod moving;
mod overload;
mod perform;
mod phones;
mod questions;
mod records;
mod registration;
mod replays;
mod request;
mod sanity;
pub mod settings;
mod tenancy;
mod view;
mod waiting;

pub use cells::Cells;
pub use exchange::{Exchange, In, Out, Restored, Rung};
pub use missing::Missed;
pub use settings::Settings;
