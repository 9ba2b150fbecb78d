//! A bridge to AMQP 0-9-1: events out, commands in.
