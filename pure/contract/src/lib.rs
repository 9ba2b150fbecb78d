//! What roles say to each other on the bus: one file a conversation.
