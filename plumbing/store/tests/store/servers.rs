//! On a PostgreSQL server.

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
pub(crate) mod records;

use contract::CallId;
use strowger_store::{Address, Store};

use crate::fresh::{Fresh, open};
use crate::server::Server;

async fn fresh() -> Fresh {
    Fresh::on_a_server().await
}

#[tokio::test]
async fn a_store_of_a_later_release_is_left_alone() {
    let store = fresh().await;
    let database = store.address().rsplit('/').next().unwrap();
    let sql = "INSERT INTO _sqlx_migrations VALUES (100, 'of tomorrow', now(), TRUE, '', 1)";
    Server::shared().sql(database, sql);
    let address = Address::read(store.address(), store.dir()).unwrap();
    let error = Store::at(&address).await.unwrap_err().to_string();
    assert!(error.contains("it has migration 100, this release knows 4"), "{error}");
}

#[tokio::test]
async fn two_that_open_an_empty_store_at_once_make_its_tables_once() {
    let address = Server::shared().database();
    let (one, other) = tokio::join!(open(&address), open(&address));
    assert_eq!(one.tenants().all().await.unwrap(), []);
    assert_eq!(other.tenants().all().await.unwrap(), []);
}

#[tokio::test]
async fn a_wrong_name_or_database_is_said_at_once_and_no_password_with_it() {
    let address = Server::shared().database().replace("strowger@", "nobody:secret@");
    let error = Store::at(&Address::read(&address, "".as_ref()).unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("nobody") && !error.contains("secret"), "{error}");
    let address = [&Server::shared().database(), "_missing"].concat();
    let error = Store::at(&Address::read(&address, "".as_ref()).unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
}

#[tokio::test]
async fn what_a_stranger_puts_into_a_record_never_stops_it() {
    let store = fresh().await;
    let record = contract::record::CallRecord { dialed: "a\0b\u{ffff}".into(), ..records::record(1, 1, 1) };
    store.records().keep(&[record]).await.unwrap();
    let kept = store.records().find(None, CallId(1)).await.unwrap().unwrap();
    assert_eq!(kept.dialed, "a\u{fffd}b\u{ffff}");
}

#[tokio::test]
async fn names_are_listed_in_byte_order() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    for name in ["b", "a", "B", "_", "a-b", "ab"] {
        store.user(red, name, None).await;
    }
    let page = store.users().page(red, &Default::default()).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|account| account.user.name.as_str()).collect();
    assert_eq!(names, ["B", "_", "a", "a-b", "ab", "b"]);
}
