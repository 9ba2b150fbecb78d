//! What the store promises, over a file.

#![allow(clippy::unwrap_used)]

mod accounts;
mod book;
mod fresh;
mod killed;
mod records;
mod upgrade;
