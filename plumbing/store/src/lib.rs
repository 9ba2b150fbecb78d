//! What must not be lost: accounts, call records, the ledger; behind one repository each.
//!
//! They are in SQLite, a file of this host, or on PostgreSQL servers, one of which writes ([`Address`]). Every call
//! that touches what a tenant owns says which tenant. What is written is on the disk when the call comes back; a
//! call that fails with [`StoreError::Away`] may have been done or not.
//!
//! - `sql.rs`, `link.rs`: one statement for both databases, and the connection on which it is said.
//! - `sqlite.rs`, `cluster/`: where connections come from.
//! - the rest: one file a repository.

mod address;
mod cluster;
mod dispatch;
mod error;
mod homes;
mod imports;
mod ledger_book;
mod link;
mod migrations;
mod moves;
mod numbers;
mod page;
mod post;
mod records;
mod rows;
mod sql;
mod sqlite;
mod store;
mod tenants;
mod tokens;
mod users;

pub use address::{Address, Servers};
pub use dispatch::{Dispatch, Due, Waiting};
pub use error::StoreError;
pub use homes::{Conflict, Home, Homes, What};
pub use imports::{Imported, Imports};
pub use ledger_book::{Book, LedgerBook, Totals};
pub use moves::{Luggage, Move, Moves, Step};
pub use numbers::Numbers;
pub use page::{MOST, Page, Paged};
pub use post::{Post, Taken};
pub use records::{RecordFilter, Records};
pub use store::{State, Store};
pub use tenants::Tenants;
pub use tokens::{Token, Tokens};
pub use users::{Account, Users};

pub(crate) use store::{Listed, Lock};
