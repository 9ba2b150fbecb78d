//! The edge's shell: listeners, connections, sending.
