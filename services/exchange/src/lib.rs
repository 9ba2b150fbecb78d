//! The exchange's shell.
