//! Session descriptions (RFC 8866) and the offer/answer model (RFC 3264).
//!
//! A [`Session`] keeps every line it was given, known or not, in order, so that what we pass on is what was
//! said. Typed access is by view: [`Session::audio`] is the first audio [`Stream`], which knows its codecs,
//! its direction, and where the other side wants its packets.
//!
//! | wanted | found in |
//! |---|---|
//! | read and write a body | [`Session::parse`], [`Session::write`] |
//! | what a stream says | [`Stream`], [`Codec`], [`Direction`] |
//! | offer, answer, and what came of it | [`Offer`], [`Answer`], [`Agreed`] |
//! | put our media node between two phones | [`Anchor`], [`Session::anchor`] |
//! | an `o=` line that we own | [`Author`] |

mod address;
mod anchor;
mod author;
mod codec;
mod direction;
mod line;
mod malformed;
mod media;
mod negotiate;
mod offer;
mod session;
mod stream;

#[cfg(test)]
mod properties;

pub use address::{Address, Connection, Origin};
pub use anchor::{Anchor, Others};
pub use author::Author;
pub use codec::Codec;
pub use direction::Direction;
pub use line::{Attribute, Line, Lines};
pub use malformed::Malformed;
pub use media::{Media, RtcpPort};
pub use negotiate::{Agreed, Answer, Disagreement, negotiate};
pub use offer::Offer;
pub use session::Session;
pub use stream::Stream;
