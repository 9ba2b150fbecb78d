//! The billing role's shell.
