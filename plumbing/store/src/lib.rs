//! What must not be lost: accounts, call records, the ledger; in SQLite, behind one repository each.
//!
//! Every call that touches what a tenant owns says which tenant. One connection writes, a few read. What is
//! written is on the disk when the call comes back.

mod error;
mod ledger_book;
mod numbers;
mod page;
mod records;
mod rows;
mod store;
mod tenants;
mod tokens;
mod users;

pub use error::StoreError;
pub use ledger_book::{Book, LedgerBook, Totals};
pub use numbers::Numbers;
pub use page::{MOST, Page, Paged};
pub use records::{RecordFilter, Records};
pub use store::Store;
pub use tenants::Tenants;
pub use tokens::{Token, Tokens};
pub use users::{Account, Users};
