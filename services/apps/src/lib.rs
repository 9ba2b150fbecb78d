//! The apps role's shell.
