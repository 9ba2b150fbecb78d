//! In a file of this host.

#[path = "suite/accounts.rs"]
mod accounts;
#[path = "suite/book.rs"]
mod book;
#[path = "suite/cells.rs"]
mod cells;
#[path = "suite/imports.rs"]
mod imports;
#[path = "suite/killed.rs"]
mod killed;
#[path = "suite/records.rs"]
mod records;
mod upgrade;

use crate::fresh::Fresh;

async fn fresh() -> Fresh {
    Fresh::in_a_file().await
}
