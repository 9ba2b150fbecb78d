//! The SIP front door: a stateless proxy that brings every message to its shard's owner.
