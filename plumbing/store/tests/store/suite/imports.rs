use contract::record::{CallRecord, Outcome};
use contract::{CallId, Money, TenantId};
use ledger::Account;
use machine::Moment;
use strowger_store::{Imported, Page, RecordFilter};

use super::fresh;
use crate::fresh::NOW;

fn imported(id: u64, tenant: TenantId, caller: &str, micros: i64) -> Imported {
    let started = Moment::from_secs(1_700_000_000 + id);
    let record = CallRecord {
        id: CallId(id),
        tenant,
        caller: caller.into(),
        dialed: "4930123".into(),
        started,
        answered: Some(started),
        ended: Moment::from_secs(1_700_000_060 + id),
        outcome: Outcome::Answered,
        status: 200,
        price: Some(Money { micros, currency: "EUR".into() }),
        carrier: Some("mno".into()),
        ..CallRecord::default()
    };
    Imported { id: format!("m-{id}"), record }
}

#[tokio::test]
async fn a_carriers_record_is_kept_and_charged_once_however_often_it_is_delivered() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "anna", Some(100_000)).await;
    store.user(red, "bert", None).await;
    let file =
        vec![imported(1, red, "anna", 50_000), imported(2, red, "bert", 20_000), imported(3, red, "anna", 0)];
    assert_eq!(store.imports().post(NOW, &file[..2]).await.unwrap(), [0, 1], "cut short");
    assert_eq!(store.imports().post(NOW, &file).await.unwrap(), [2], "the whole of it");
    assert!(store.imports().post(NOW, &file).await.unwrap().is_empty(), "once more");

    let kept = store.records().page(&RecordFilter::default(), &Page::default()).await.unwrap().items;
    assert_eq!(kept, file.into_iter().rev().map(|it| it.record).collect::<Vec<_>>());
    assert_eq!(store.users().named(red, "anna").await.unwrap().balance, Some(50_000));
    let lies = async |account: &Account| store.ledger().balance(account).await.unwrap();
    assert_eq!(lies(&Account::User { tenant: red, name: "anna".into() }).await, 50_000);
    assert_eq!(lies(&Account::User { tenant: red, name: "bert".into() }).await, -20_000);
    assert_eq!(lies(&Account::Revenue).await, 70_000);
}

#[tokio::test]
async fn a_record_that_a_file_holds_twice_is_one() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "anna", None).await;
    let twice = vec![imported(1, red, "anna", 5), imported(1, red, "anna", 5)];
    assert_eq!(store.imports().post(NOW, &twice).await.unwrap(), [0]);
    assert_eq!(store.ledger().balance(&Account::Revenue).await.unwrap(), 5);
}

#[tokio::test]
async fn records_of_two_carriers_with_the_same_id_are_two() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "anna", None).await;
    let mut other = imported(2, red, "anna", 5);
    (other.id, other.record.carrier) = ("m-1".into(), Some("other".into()));
    assert_eq!(store.imports().post(NOW, &[imported(1, red, "anna", 5), other]).await.unwrap(), [0, 1]);
}

#[tokio::test]
async fn a_batch_of_which_one_record_takes_the_number_of_a_call_is_not_kept_at_all() {
    let store = fresh().await;
    let red = store.tenant("red").await;
    store.user(red, "anna", None).await;
    store.records().keep(&[CallRecord { id: CallId(2), ..CallRecord::default() }]).await.unwrap();
    let file = vec![imported(1, red, "anna", 5), imported(2, red, "anna", 5)];
    store.imports().post(NOW, &file).await.unwrap_err();
    assert_eq!(store.records().find(None, CallId(1)).await.unwrap(), None);
    assert_eq!(store.imports().post(NOW, &file[..1]).await.unwrap(), [0]);
}
