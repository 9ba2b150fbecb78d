//! The bus on one host: in-process and Unix sockets.
