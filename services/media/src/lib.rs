//! The media role's shell: packet threads, port pool.
