//! Two platforms as cells of one: their offices tell each other what they must know.

use std::time::{Duration, Instant};

use contract::account::{Found, LookUp};
use contract::{CellId, TenantId};
use serde_json::{Value, json};

use crate::platform::Platform;

const RED: CellId = CellId(1);
const BLUE: CellId = CellId(2);

/// Cells 1 and 2, which know of each other.
async fn two() -> (Platform, Platform) {
    let (red, blue) = (Platform::cell(RED).await, Platform::cell(BLUE).await);
    red.knows(&blue);
    blue.knows(&red);
    for (one, other) in [(&red, 2), (&blue, 1)] {
        until("they know of each other", async || cell(one, other).await["waiting"] == 0).await;
    }
    (red, blue)
}

async fn cell(platform: &Platform, number: u8) -> Value {
    let cells = platform.get("/v1/cells").await.json();
    let found = cells.as_array().unwrap().iter().find(|cell| cell["cell"] == number);
    found.cloned().unwrap_or_default()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The office of `one` does not reach the other's any more, and knows no better.
async fn cut_off(one: &Platform, (other, number): (&Platform, u8)) {
    let before = cell(one, number).await["offices"].clone();
    one.forgets(other);
    until("it looks for the other in vain", async || cell(one, number).await["offices"] != before).await;
}

async fn look_up(platform: &Platform, tenant: TenantId, name: &str) -> Found {
    platform.bus.ask(None, &LookUp { tenant, name: name.into() }).await.unwrap()
}

async fn with_anna(red: &Platform, blue: &Platform) -> TenantId {
    let brand = red.tenant("brand").await;
    let anna = r#"{"name": "anna", "password": "x", "number": "+4930111", "balance_micros": 500000}"#;
    assert_eq!(red.post("/v1/tenants/brand/users", anna).await.status, 201);
    let elsewhere = Found::Elsewhere { cell: RED };
    until("the other cell has heard of her", async || look_up(blue, brand, "4930111").await == elsewhere)
        .await;
    brand
}

#[tokio::test]
async fn an_exchange_learns_that_an_account_lives_in_another_cell() {
    let (red, blue) = two().await;
    let brand = with_anna(&red, &blue).await;
    assert_eq!(look_up(&blue, brand, "anna").await, Found::Elsewhere { cell: RED });
    assert!(matches!(look_up(&red, brand, "anna").await, Found::User(_)));
    assert!(matches!(look_up(&red, brand, "4930111").await, Found::Number(_)));
    assert!(blue.told().await.contains(&Some("anna".to_owned())), "and forgets that there was nobody");
    let anna = r#"{"name": "anna", "password": "y"}"#;
    let refused = blue.post("/v1/tenants/brand/users", anna).await.problem(409);
    assert_eq!(refused, r#"user "anna", at home in cell 1, exists already"#);
    let refused = blue.get("/v1/tenants/brand/users/anna").await.problem(421);
    assert_eq!(refused, r#"user "anna" is at home in cell 1: ask there"#);
    assert_eq!(cell(&blue, 1).await["accounts"], 1);
}

#[tokio::test]
async fn an_account_moves_with_all_that_it_has_and_its_phones_are_found_in_the_new_cell() {
    let (red, blue) = two().await;
    let brand = with_anna(&red, &blue).await;
    *red.given.lock().unwrap() = b"where anna's phones are".to_vec();
    let moved = red.post("/v1/tenants/brand/users/anna/move", r#"{"to": 2}"#).await;
    assert_eq!((moved.status, moved.json()["cell"].clone()), (200, json!(2)), "{}", moved.body);
    assert!(matches!(look_up(&blue, brand, "anna").await, Found::User(_)));
    assert_eq!(look_up(&red, brand, "anna").await, Found::Elsewhere { cell: BLUE });
    assert_eq!(look_up(&red, brand, "4930111").await, Found::Elsewhere { cell: BLUE });
    let there = blue.get("/v1/tenants/brand/users/anna").await.json();
    assert_eq!((&there["balance_micros"], &there["number"]), (&json!(500_000), &json!("4930111")));
    let taken = blue.taken.lock().unwrap().clone();
    assert_eq!(taken, vec![b"where anna's phones are".to_vec(); 2], "before and after");
    assert_eq!(red.gave.lock().unwrap().clone(), [None, Some(BLUE)]);
    let home = red.get("/v1/tenants/brand/users/anna/home").await.json();
    assert_eq!(home, json!({"name": "anna", "cell": 2, "moving_to": null}));
    let again = red.post("/v1/tenants/brand/users/anna/move", r#"{"to": 2}"#).await;
    assert_eq!(again.status, 200, "it is there already");
    assert_eq!(red.get("/v1/tenants/brand/users").await.json()["items"], json!([]));
}

#[tokio::test]
async fn what_is_due_to_a_cell_that_is_cut_off_waits_and_is_delivered_when_it_is_back() {
    let (red, blue) = two().await;
    cut_off(&red, (&blue, 2)).await;
    let brand = red.tenant("brand").await;
    for name in ["a", "b", "c"] {
        let user = format!(r#"{{"name": "{name}", "password": "x"}}"#);
        assert_eq!(red.post("/v1/tenants/brand/users", &user).await.status, 201);
    }
    until("it is told", async || cell(&red, 2).await["failing"] != Value::Null).await;
    assert_eq!(cell(&red, 2).await["waiting"], 4);
    assert_eq!(look_up(&blue, brand, "a").await, Found::Nobody);
    red.knows(&blue);
    until("all is delivered", async || cell(&red, 2).await["waiting"] == 0).await;
    for name in ["a", "b", "c"] {
        assert_eq!(look_up(&blue, brand, name).await, Found::Elsewhere { cell: RED });
    }
    assert_eq!(cell(&red, 2).await["failing"], Value::Null);
}

#[tokio::test]
async fn an_account_that_its_new_cell_does_not_take_stays_where_it_is() {
    let (red, blue) = two().await;
    let brand = with_anna(&red, &blue).await;
    let refused = red.post("/v1/tenants/brand/users/anna/move", r#"{"to": 9}"#).await.problem(404);
    assert_eq!(refused, "there is no cell 9");
    red.post("/v1/tenants/brand/users/anna/move", r#"{"to": 1}"#).await.problem(409);
    *red.given.lock().unwrap() = b"unreadable".to_vec();
    let refused = red.post("/v1/tenants/brand/users/anna/move", r#"{"to": 2}"#).await.problem(409);
    assert!(refused.starts_with("cell 2 does not take it: the bindings can't be read here"), "{refused}");
    assert!(matches!(look_up(&red, brand, "anna").await, Found::User(_)));
    assert_eq!(red.delete("/v1/tenants/brand/users/anna").await.status, 204, "and can be changed again");
}

#[tokio::test]
async fn a_move_goes_on_after_the_office_died_in_the_middle_of_it() {
    let (mut red, blue) = two().await;
    let brand = with_anna(&red, &blue).await;
    cut_off(&red, (&blue, 2)).await;
    let moving = red.store.moves().begin(contract_now(), (brand, "anna"), BLUE).await.unwrap();
    let luggage = red.store.moves().pack(&moving).await.unwrap();
    // The new home has taken it, and nobody heard that it did.
    blue.store.moves().arrive(contract_now(), RED, &luggage).await.unwrap();
    red.restart().await;
    red.knows(&blue);
    until("it has moved", async || look_up(&red, brand, "anna").await == Found::Elsewhere { cell: BLUE })
        .await;
    let there = blue.get("/v1/tenants/brand/users/anna").await.json();
    assert_eq!(there["balance_micros"], json!(500_000), "once");
}

fn contract_now() -> machine::Moment {
    machine::Moment::from_secs(1_800_000_000)
}

#[tokio::test]
async fn a_carriers_file_is_delivered_to_any_cell_and_each_call_charged_once_where_its_caller_lives() {
    let (red, blue) = two().await;
    with_anna(&red, &blue).await;
    let file = "m-1,anna@brand.example,4930123,1790000000,60\n";
    let path = "/v1/record-imports?carrier=mno&micros_per_minute=50000";
    for (platform, imported, sent) in [(&blue, 0, 1), (&red, 1, 0), (&blue, 0, 1)] {
        let done = platform.post(path, file).await.json();
        if imported == 1 {
            until("it has come", async || cell(&blue, 1).await["waiting"] == 0).await;
            assert_eq!((&done["sent"], &done["refused"]), (&json!(sent), &json!([])));
        } else {
            assert_eq!((&done["imported"], &done["sent"]), (&json!(imported), &json!(sent)));
        }
    }
    until("it has come", async || cell(&blue, 1).await["waiting"] == 0).await;
    let anna = red.get("/v1/tenants/brand/users/anna").await.json();
    assert_eq!(anna["balance_micros"], json!(450_000));
    assert_eq!(red.get("/v1/call-records").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(blue.get("/v1/call-records").await.json()["items"], json!([]));
}

#[tokio::test]
async fn offices_of_other_platforms_are_not_heard() {
    let (red, _blue) = two().await;
    let delivery = r#"{"from": 2, "told": [], "messages": []}"#;
    let bearer = format!("Bearer {}", red.token);
    for key in ["Bearer x", &bearer] {
        let headers = [("Authorization", key), ("Content-Type", "application/json")];
        red.request("POST /v1/cells/inbox", &headers, delivery).await.problem(401);
    }
    let alone = Platform::idle().await;
    let headers = [("Authorization", "Bearer x"), ("Content-Type", "application/json")];
    alone.request("POST /v1/cells/inbox", &headers, delivery).await.problem(401);
    assert_eq!(alone.get("/v1/cells").await.json(), json!([]));
}
