use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use strowger_store::Store;

use super::fresh;
use crate::fresh::Fresh;

async fn execute(store: &Fresh, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(store.address());
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_later_release_is_left_alone() {
    let store = fresh().await;
    let sql = "INSERT INTO _sqlx_migrations VALUES (100, 'of tomorrow', CURRENT_TIMESTAMP, TRUE, x'00', 1)";
    execute(&store, sql).await;
    let error = Store::open(store.address().as_ref()).await.unwrap_err().to_string();
    assert!(error.contains("it has migration 100, this release knows 4"), "{error}");
}

#[tokio::test]
async fn a_store_that_a_later_release_only_added_to_is_worked_on() {
    let store = fresh().await;
    store.tenant("red").await;
    store.close().await;
    execute(&store, "ALTER TABLE tenants ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'").await;
    execute(&store, "CREATE TABLE recordings (id BIGINT PRIMARY KEY)").await;
    let sql = "INSERT INTO _sqlx_migrations VALUES (99, 'of tomorrow', CURRENT_TIMESTAMP, TRUE, x'00', 1)";
    execute(&store, sql).await;
    let again = Store::open(store.address().as_ref()).await.unwrap();
    assert_eq!(again.tenants().all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_is_opened_again_and_again() {
    let store = fresh().await;
    store.tenant("red").await;
    store.close().await;
    let again = Store::open(store.address().as_ref()).await.unwrap();
    assert_eq!(again.tenants().all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let store = fresh().await;
    let error = Store::open(&store.dir().join("nowhere/store.db")).await.unwrap_err();
    assert!(error.to_string().contains("unable to open database file"), "{error}");
}
