//! Softphones on real sockets: `strowger phone`, and the two that prove the demo.

mod command;
mod desk;
mod handset;

pub(crate) use command::{quality_text, run};
pub(crate) use desk::Desk;
pub(crate) use handset::{Handset, PhoneError};
