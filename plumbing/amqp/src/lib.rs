//! A bridge to AMQP 0-9-1 (RabbitMQ), for operators whose tools live there.
//!
//! Out: what the durable streams hold goes to a topic exchange, persistent and as JSON, and is acknowledged once
//! the broker has confirmed it: at least once, with a message id that tells repeats. In: commands from a queue,
//! each taken off once it is carried out; what cannot be carried out lies in a queue of its own.
//!
//! Nothing of a call waits for it: with the broker away, the streams keep what happened.

mod bridge;
mod commands;
mod events;
mod json;
mod options;

pub use bridge::{Bridge, Traffic};
pub use options::{AmqpError, Options};
