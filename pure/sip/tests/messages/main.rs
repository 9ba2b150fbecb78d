//! The message layer, one behaviour a file.

mod any;
mod corpus;
mod edit;
mod identity;
mod message;
mod oracle;
mod rfc4475;
