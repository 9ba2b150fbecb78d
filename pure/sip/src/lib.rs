//! SIP as values: messages, transactions, dialogs, legs, digest authentication.
//!
//! A message is its bytes and an index of where its headers stand ([`Message`]). Everything else is
//! found on access: a raw value, the values of a list, or a typed header, whose error names the header
//! and the offset. [`Writer`] makes new messages, [`Edit`] rewrites received ones and leaves every byte
//! that it was not asked to touch, [`Framer`] finds messages in a stream, and [`Message::check`] says
//! with which status a server refuses what it can't take.

mod address;
mod auth;
mod check;
mod edit;
mod error;
mod framing;
mod host;
mod message;
mod method;
mod name;
mod params;
mod parse;
mod scan;
mod status;
mod typed;
mod uri;
mod value;
mod values;
mod via;
mod words;
mod write;

pub mod dialog;
pub mod digest;
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod fuzzing_leg;
pub mod leg;
pub mod transaction;

pub use address::{Contact, NameAddr};
pub use auth::{Auth, Challenge, Credentials};
pub use check::Refusal;
pub use edit::Edit;
pub use error::{ParseError, Problem};
pub use framing::{Framed, Framer, Limits};
pub use host::Host;
pub use message::Message;
pub use method::Method;
pub use name::Name;
pub use params::{Param, Params};
pub use status::Status;
pub use uri::{Scheme, Uri};
pub use value::{CSeq, ContentType, Event, RAck, Reason, Refresher, RetryAfter, SessionExpires};
pub use values::Values;
pub use via::{Transport, Via};
pub use write::{Writer, respond};
