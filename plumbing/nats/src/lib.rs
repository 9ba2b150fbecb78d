//! The bus across hosts: NATS with JetStream behind what the local bus offers.
