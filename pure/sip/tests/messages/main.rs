//! The message layer, one behaviour a file.

#![allow(clippy::unwrap_used)]

mod any;
mod corpus;
mod cost;
mod edit;
mod framing;
mod identity;
mod message;
mod oracle;
mod rfc4475;
mod uri;
