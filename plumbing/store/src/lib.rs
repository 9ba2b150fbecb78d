//! Repositories and migrations: SQLite.
