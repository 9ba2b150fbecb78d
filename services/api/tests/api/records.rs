use contract::record::{CallRecord, Keep, Kept, Outcome};
use contract::{CallId, Money, TenantId};
use machine::Moment;
use serde_json::json;

use crate::platform::Platform;

fn record(id: u64, tenant: u32, started: u64) -> CallRecord {
    CallRecord {
        id: CallId(id),
        tenant: TenantId(tenant),
        caller: "1001".into(),
        dialed: "1002".into(),
        callee: "1002".into(),
        started: Moment::from_secs(1_800_000_000 + started),
        answered: Some(Moment::from_secs(1_800_000_002 + started)),
        ended: Moment::from_secs(1_800_000_012 + started),
        outcome: Outcome::Answered,
        status: 200,
        cause: "caller hung up".into(),
        price: Some(Money { micros: 1_667, currency: "EUR".into() }),
        ..CallRecord::default()
    }
}

#[tokio::test]
async fn what_an_exchange_has_kept_is_listed_once_however_often_it_says_it() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    let keep = Keep { records: vec![record(1, 1, 0), record(2, 1, 60)] };
    let both = Kept { ids: vec![CallId(1), CallId(2)] };
    assert_eq!(platform.bus.ask(None, &keep).await.unwrap(), both);
    assert_eq!(platform.bus.ask(None, &keep).await.unwrap(), both, "a repeat");
    let page = platform.get("/v1/call-records").await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let youngest = &page["items"][0];
    assert_eq!(youngest["id"], "0000000000000002");
    assert_eq!(
        (&youngest["tenant"], &youngest["talked_seconds"], &youngest["outcome"], &youngest["price"]),
        (&json!("red"), &json!(10.0), &json!("answered"), &json!({"micros": 1667, "currency": "EUR"}))
    );
}

#[tokio::test]
async fn many_threads_keep_their_records_in_few_transactions() {
    let platform = Platform::idle().await;
    let asking: Vec<_> = (0..300)
        .map(|id| {
            let bus = platform.bus.clone();
            tokio::spawn(
                async move { bus.ask(None, &Keep { records: vec![record(id, 1, id)] }).await.unwrap() },
            )
        })
        .collect();
    for (id, asked) in asking.into_iter().enumerate() {
        assert_eq!(asked.await.unwrap().ids, [CallId(id as u64)]);
    }
    let metrics = platform.get("/metrics").await.body;
    let figure = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(&format!("strowger_{name}{{"))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(figure("records_kept_total"), 300.0);
    assert!(figure("records_transactions_total") < 150.0, "{metrics}");
}

#[tokio::test]
async fn records_are_found_by_tenant_and_time_and_page() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    platform.tenant("blue").await;
    let records: Vec<_> = (1..=20).map(|id| record(id, 1 + (id % 2) as u32, id)).collect();
    platform.store.records().keep(&records).await.unwrap();
    let ids = |page: &serde_json::Value| -> Vec<u64> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|it| u64::from_str_radix(it["id"].as_str().unwrap(), 16).unwrap()).collect()
    };
    let range = "from=2027-01-15T08:00:05Z&to=2027-01-15T08:00:15Z";
    let page = platform.get(&format!("/v1/call-records?tenant=red&{range}&limit=3")).await.json();
    assert_eq!(ids(&page), [14, 12, 10]);
    let next = page["next"].as_str().unwrap();
    let page =
        platform.get(&format!("/v1/call-records?tenant=red&{range}&limit=3&after={next}")).await.json();
    assert_eq!((ids(&page), &page["next"]), (vec![8, 6], &json!(null)));

    let blue = platform.tenant_token("blue").await;
    assert_eq!(ids(&platform.get_as(&blue, "/v1/call-records?limit=2").await.json()), [19, 17]);
    assert_eq!(platform.get_as(&blue, "/v1/call-records/0000000000000002").await.status, 404);
    assert_eq!(platform.get("/v1/call-records/0000000000000002").await.json()["tenant"], "red");
    assert_eq!(platform.delete("/v1/tenants/red").await.status, 204);
    assert_eq!(platform.get("/v1/call-records/0000000000000002").await.json()["tenant"], "#1");
}
