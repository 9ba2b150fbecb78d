//! The office of a platform: the REST API, and what exchanges ask about accounts and records.
//!
//! - [`Api`] is the role at work: [`Api::open`], [`Api::answer`] on the bus, [`Api::serve`] over HTTP;
//! - one file for each noun: `calls`, `ladder`, `registrations`, `records`, `record_imports`, `tenants`, `users`, `numbers`,
//!   `tokens`; `cells`; and `metrics` and `health`;
//! - [`view`] is what they show, and [`client`] speaks to them from a command line.

mod access;
mod api;
mod calls;
mod carrier_file;
mod cells;
pub mod client;
mod extract;
mod gather;
mod health;
mod keeper;
mod ladder;
mod ladder_svg;
mod metrics;
mod names;
mod nodes;
mod notify;
mod numbers;
mod office;
mod outlet;
mod password;
mod problem;
mod recall;
mod record_imports;
mod records;
mod registrations;
mod routes;
mod tenants;
mod time;
mod token;
mod tokens;
mod users;
pub mod view;

pub use api::{Api, ApiError, Dealt, Figures};
pub use cells::Seat;
pub use problem::Problem;
pub use routes::openapi;
pub use time::Time;
pub use token::FILE as TOKEN_FILE;
