//! The call: a back-to-back user agent as one state machine, and its snapshot.
//!
//! | wanted | found in |
//! |---|---|
//! | what may happen when, as a diagram | `state.rs`, and as code `transitions.rs` |
//! | from the INVITE to the first phone that rings | `routing.rs` |
//! | which phones ring, which one wins, which refusal counts | `ringing.rs`, `ring.rs` |
//! | hold, re-INVITE, UPDATE, glare | `offers.rs` |
//! | what the phones are told about audio, what media is to do | `audio.rs`, `heard.rs` |
//! | a media node dies, or a call is moved to another | `moving.rs`, `audio/home.rs` |
//! | an app's call | `served.rs`, `app.rs` |
//! | how it ends, and the record | `ending.rs`, `close.rs`, `chronicle.rs` |
//! | what others are told of it as it happens | `news.rs` |
//! | what is asked, and how often | `questions.rs`, `asking.rs`, `billing.rs` |
//! | the bytes that survive us | `snapshot.rs` |

mod address;
mod app;
mod asking;
mod audio;
mod billing;
mod call;
mod chronicle;
mod close;
mod context;
mod early;
mod ending;
mod heard;
mod moving;
mod news;
mod offers;
mod out;
mod party;
mod question;
mod questions;
mod ring;
mod ringing;
mod routing;
mod served;
mod settings;
mod snapshot;
mod start;
mod state;
mod transitions;

pub use call::Call;
pub use moving::Moving;
pub use news::Told;
pub use out::{CallOut, LegNo, Sent};
pub use question::{Answer, Question, Route, Wanted};
pub use settings::{ContactHost, Settings, World};
pub use snapshot::SnapshotError;
pub use start::{Caller, Start, Tenant};
