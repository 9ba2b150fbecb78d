//! Call control applications as functions from a position and an event to instructions.
