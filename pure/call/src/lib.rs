//! The call: a back-to-back user agent as one state machine, and its snapshot.
