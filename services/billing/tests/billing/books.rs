use std::time::Duration;

use contract::CallId;
use contract::billing::{Reserve, Reserved};
use ledger::Account;
use strowger_billing_service::Config;

use crate::desk::{BRAND, Desk, granted};

#[tokio::test]
async fn a_call_is_reserved_renewed_and_settled_once() {
    let desk = Desk::new(60_000).await;
    assert_eq!(desk.reserve(1, "anna", 1).await, granted(60, 60_000));
    assert_eq!(desk.reserve(1, "anna", 1).await, granted(60, 60_000), "a repeat");
    assert_eq!(desk.reserve(1, "anna", 2).await, granted(60, 60_000));
    desk.await_balance("anna", 480_000).await;
    assert_eq!(desk.gauge("billing_reservations_open").await, 1.0);
    assert_eq!(desk.settle(1, "anna", 61_000).await, (120_000, 61_000, 59_000));
    assert_eq!(desk.settle(1, "anna", 61_000).await, (120_000, 61_000, 59_000), "a repeat");
    assert_eq!(desk.balance("anna").await, Some(539_000));
    let purse = Account::User { tenant: BRAND, name: "anna".into() };
    assert_eq!(desk.store.ledger().balance(&purse).await.unwrap(), 539_000, "the postings say the same");
    assert_eq!(desk.store.ledger().balance(&Account::Revenue).await.unwrap(), 61_000);
    assert_eq!(desk.gauge("billing_charged_micros_total").await, 61_000.0);
}

#[tokio::test]
async fn many_calls_at_once_never_spend_more_than_there_is() {
    let desk = Desk::new(60_000).await;
    let asking: Vec<_> = (1..=200)
        .map(|call| {
            let client = desk.client.clone();
            let ask = Reserve {
                call: CallId(call),
                tenant: BRAND,
                account: "anna".into(),
                serial: 1,
                seconds: 60,
                ..Reserve::default()
            };
            tokio::spawn(async move { client.ask(None, &ask).await.unwrap() })
        })
        .collect();
    let mut calls = 0;
    for asked in asking {
        calls += u32::from(matches!(asked.await.unwrap(), Reserved::Granted { .. }));
    }
    assert_eq!(calls, 10, "ten minutes were paid for");
    desk.await_balance("anna", 0).await;
    assert!(desk.gauge("billing_transactions_total").await < 100.0, "many in one transaction");
}

#[tokio::test]
async fn who_is_not_there_is_refused() {
    let desk = Desk::new(60_000).await;
    let refused = Reserved::Refused { reason: "there is no such account".into() };
    assert_eq!(desk.reserve(1, "nobody", 1).await, refused);
    assert_eq!(desk.settle(1, "nobody", 0).await, (0, 0, 0));
}

#[tokio::test]
async fn a_call_that_costs_nothing_leaves_no_trace() {
    let desk = Desk::new(0).await;
    assert_eq!(desk.reserve(1, "bert", 1).await, granted(60, 0));
    assert_eq!(desk.settle(1, "bert", 5_000).await, (0, 0, 0));
    assert_eq!(desk.store.ledger().reservation(CallId(1)).await.unwrap(), None);
    assert_eq!(desk.gauge("billing_settled_total").await, 1.0);
}

#[tokio::test]
async fn a_lost_calls_money_comes_back_and_its_late_end_is_charged() {
    let desk = Desk::without_billing("").await;
    let patience = Duration::from_millis(300);
    desk.serve(Config { abandon_after: patience, ..desk.config(60_000) }).await;
    desk.reserve(1, "anna", 1).await;
    desk.await_balance("anna", 540_000).await;
    desk.await_balance("anna", 600_000).await;
    assert_eq!(desk.gauge("billing_reservations_open").await, 0.0);
    assert_eq!(desk.settle(1, "anna", 10_000).await, (70_000, 10_000, 60_000));
    assert_eq!(desk.balance("anna").await, Some(590_000));
}
