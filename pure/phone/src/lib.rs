//! The softphone's core.
