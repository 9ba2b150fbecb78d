//! The media role: what one packet thread decides about the sound of its calls.
//!
//! | wanted | found in |
//! |---|---|
//! | what becomes of a packet: forwarded, heard, dropped | `relay.rs`, `reports.rs` |
//! | whose packets a leg hears, and who may not take over | `latch.rs` (RFC 7362) |
//! | a wish of an exchange made so | `media.rs`, `session.rs` |
//! | which ports a leg borrows, and when they may be lent again | [`PortPair`], `pool.rs` |
//! | sounds: prompts, digits that can be heard | [`Sounds`], `player.rs` |
//! | telling an exchange what was noticed, more than once | `reminders.rs` |
//! | what deadlines bring | `upkeep.rs` |
//! | how a leg sounded | `quality.rs` |
//! | what a successor needs, and how it goes on | `kept.rs`, `recovery.rs` |
//!
//! [`Media`] is a [`machine::Machine`] for all that is seldom: wishes, releases, deadlines. Packets go past
//! that through [`Media::relay`], which allocates nothing; when one of them changed something that must be
//! kept or told, [`Media::is_unsettled`] says so, and [`In::Settle`] follows.

mod gauges;
mod kept;
mod latch;
mod leg;
mod media;
mod messages;
mod player;
mod pool;
mod quality;
mod recovery;
mod relay;
mod reminders;
mod reports;
mod session;
mod settings;
mod sounds;
mod upkeep;

#[cfg(test)]
mod tests;

pub use kept::{MEDIA_COUNTERS, MEDIA_SESSION};
pub use media::Media;
pub use messages::{Ask, In, Out};
pub use pool::{PortPair, Socket};
pub use relay::Verdict;
pub use settings::Settings;
pub use sounds::{Sounds, Voice};
