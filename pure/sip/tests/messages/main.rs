//! The message layer, one behaviour a file.

mod edit;
mod message;
mod rfc4475;
