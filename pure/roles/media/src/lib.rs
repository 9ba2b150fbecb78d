//! Media sessions: legs, latching, relaying, playing, hearing DTMF, quality.
