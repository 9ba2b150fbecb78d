//! What roles say to each other on the bus: one file a conversation (its request, its answer, its subject,
//! how long to wait, what a repeat does). Nothing else writes a subject.
//!
//! Messages are MessagePack with named fields. Every field has a default, so that a message of an older
//! release is understood; unknown fields are passed over, and unknown kinds of an enum become `Unknown`.

pub mod account;
pub mod app;
pub mod billing;
pub mod cluster;
mod codec;
pub mod command;
mod conversation;
pub mod domains;
pub mod event;
mod ids;
pub mod media;
pub mod moving;
pub mod paths;
pub mod query;
pub mod record;
pub mod registration;
pub mod sharding;

pub use codec::{Body, DecodeError, decode, encode};
pub use conversation::{Conversation, Envelope, Kind, Notice, Repeat, Role, Subject, To};
pub use event::{Event, Stream};
pub use ids::{Aor, CallId, Money, NodeId, TenantId};
pub use machine::CellId;
