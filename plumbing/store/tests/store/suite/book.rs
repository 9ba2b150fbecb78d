use std::collections::BTreeMap;

use contract::billing::{Reserve, Settle};
use contract::{CallId, TenantId};
use ledger::{Account, Purse, Rate, Reservation};
use machine::Moment;
use strowger_store::Totals;

use super::fresh;
use crate::fresh::NOW;

fn opened(call: u64, tenant: TenantId) -> Reservation {
    let rate = Rate { micros_per_minute: 60_000, ..Rate::default() };
    Reservation::open(NOW, rate, CallId(call), (tenant, "anna".into()), "1002".into())
}

fn minute() -> Reserve {
    Reserve { serial: 1, seconds: 60, ..Reserve::default() }
}

#[tokio::test]
async fn the_books_hold_what_was_reserved_charged_and_released() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "anna", Some(100_000)).await;
    let purse = Account::User { tenant: red, name: "anna".into() };
    assert_eq!(store.ledger().balance(&purse).await.unwrap(), 100_000);

    let mut call = opened(1, red);
    let reserved = call.reserve(NOW, &minute(), Purse::Prepaid(100_000)).1;
    let settled = call.settle(NOW, &Settle { talked_ms: 10_000, ..Settle::default() }).1;
    let mut book = store.ledger().open().await.unwrap();
    let postings: Vec<_> = reserved.into_iter().chain(settled).map(|it| (call.call, it)).collect();
    book.post(NOW, &postings).await.unwrap();
    book.add_to_balances(&[((red, "anna".into()), -10_000)]).await.unwrap();
    book.keep(&[&call]).await.unwrap();
    book.commit().await.unwrap();

    assert_eq!(store.ledger().balance(&purse).await.unwrap(), 90_000);
    assert_eq!(store.users().named(red, "anna").await.unwrap().balance, Some(90_000));
    assert_eq!(store.ledger().balance(&Account::Revenue).await.unwrap(), 10_000);
    assert_eq!(store.ledger().balance(&Account::Held { call: CallId(1) }).await.unwrap(), 0);
    assert_eq!(store.ledger().reservation(CallId(1)).await.unwrap(), Some(call));
    let totals = Totals { open: 0, reserved: 60_000, charged: 10_000, released: 50_000 };
    assert_eq!(store.ledger().totals().await.unwrap(), totals);
}

#[tokio::test]
async fn a_book_that_is_not_committed_never_was() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "anna", Some(100_000)).await;
    let mut book = store.ledger().open().await.unwrap();
    book.keep(&[&opened(1, red)]).await.unwrap();
    book.add_to_balances(&[((red, "anna".into()), -60_000)]).await.unwrap();
    drop(book);
    assert_eq!(store.ledger().reservation(CallId(1)).await.unwrap(), None);
    assert_eq!(store.users().named(red, "anna").await.unwrap().balance, Some(100_000));
}

#[tokio::test]
async fn purses_are_found_by_tenant_and_name() {
    let store = fresh().await;
    let (red, blue) = (store.tenant("red").await, store.tenant("blue").await);
    store.user(red, "anna", Some(5)).await;
    store.user(blue, "anna", None).await;
    let payers: Vec<_> = [(red, "anna"), (blue, "anna"), (blue, "bert")]
        .into_iter()
        .map(|(tenant, name)| (tenant, name.to_owned()))
        .collect();
    let mut book = store.ledger().open().await.unwrap();
    let expected = BTreeMap::from([
        ((red, "anna".to_owned()), Purse::Prepaid(5)),
        ((blue, "anna".to_owned()), Purse::Postpaid),
    ]);
    assert_eq!(book.purses(&payers).await.unwrap(), expected);
}

#[tokio::test]
async fn calls_that_nobody_speaks_of_are_found() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    let mut book = store.ledger().open().await.unwrap();
    let mut over = opened(2, red);
    over.settle(NOW, &Settle::default());
    book.keep(&[&opened(1, red), &over]).await.unwrap();
    let later = Moment::from_micros(NOW.as_micros() + 1);
    book.commit().await.unwrap();
    assert_eq!(store.ledger().silent(NOW, 10).await.unwrap(), []);
    assert_eq!(store.ledger().silent(later, 10).await.unwrap(), [opened(1, red)]);
    assert_eq!(store.ledger().count_open().await.unwrap(), 1);
}
