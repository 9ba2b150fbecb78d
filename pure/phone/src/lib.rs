//! The softphone's core: registers, calls, answers, speaks, listens and measures. No sockets, no clock.
//!
//! | file | job |
//! |---|---|
//! | `phone.rs` | the machine: whose a message is, what a command does |
//! | `talk.rs` | what it is told, and what it tells |
//! | `registration.rs` | REGISTER, its refreshes, and another server if one fails |
//! | `calls.rs` | what a leg tells, and what the phone makes of it |
//! | `line.rs` | one call: a leg and its audio |
//! | `audio.rs` | RTP and RTCP both ways: `audio/mouth.rs` speaks, `audio/ear.rs` listens |
//! | `quality.rs` | how well a call was heard |

mod audio;
mod calls;
mod line;
mod names;
mod phone;
mod quality;
mod registration;
mod settings;
mod talk;

pub use phone::Phone;
pub use quality::{Far, Quality};
pub use settings::{Digits, OnCall, Settings, Transport};
pub use talk::{CallNo, Command, Event, In, Out};

/// What the phone calls itself.
const AGENT: &str = "strowger-phone";
