//! Registrar, authentication, location, routing and the calls.
