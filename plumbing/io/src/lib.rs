//! Batched sockets, descriptor passing, mapped memory: all unsafe code lives here.
