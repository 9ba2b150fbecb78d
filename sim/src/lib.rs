//! The whole platform in virtual time, on pure/ alone.
