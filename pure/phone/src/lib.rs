//! The softphone's core: registers, calls, answers, speaks, listens and measures. No sockets, no clock.
//!
//! | file | job |
//! |---|---|
//! | `phone.rs` | the machine: whose a message is, what a command does |
//! | `registration.rs` | REGISTER and its refreshes |
//! | `line.rs` | one call: a leg and its audio |
//! | `audio.rs` | RTP both ways, what it sounds like and how well |

mod audio;
mod line;
mod phone;
mod registration;
mod settings;

pub use audio::Quality;
pub use phone::{CallNo, Command, Event, In, Out, Phone};
pub use settings::{OnCall, Settings, Transport};
