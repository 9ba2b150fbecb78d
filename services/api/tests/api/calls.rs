use contract::query::{CallView, Registration};
use contract::registration::Contact;
use contract::{Aor, CallId, NodeId, TenantId};
use machine::Moment;
use serde_json::json;

use crate::platform::{Platform, Thread};

fn call(id: u64, tenant: u32) -> CallView {
    CallView {
        id: CallId(id),
        tenant: TenantId(tenant),
        caller: "1001".into(),
        dialed: "1002".into(),
        callee: "1002".into(),
        state: "answered".into(),
        started: Moment::from_secs(1_800_000_000),
        answered: Some(Moment::from_secs(1_800_000_003)),
        sip_call_id: "a@b".into(),
        media: NodeId(0),
    }
}

fn ids(page: &serde_json::Value) -> Vec<u64> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|call| u64::from_str_radix(call["id"].as_str().unwrap(), 16).unwrap()).collect()
}

fn two_threads() -> Vec<Thread> {
    let thread = |calls: &[(u64, u32)]| Thread {
        calls: calls.iter().map(|&(id, tenant)| call(id, tenant)).collect(),
        ..Thread::default()
    };
    vec![thread(&[(1, 1), (4, 2), (5, 1)]), thread(&[(2, 2), (3, 1), (u64::MAX, 1)])]
}

#[tokio::test]
async fn the_calls_of_all_threads_are_one_list() {
    let platform = Platform::with(two_threads()).await;
    platform.tenant("red").await;
    platform.tenant("blue").await;
    let first = platform.get("/v1/calls?limit=4").await.json();
    assert_eq!(ids(&first), [1, 2, 3, 4]);
    assert_eq!(
        first["items"][0],
        json!({
            "id": "0000000000000001", "tenant": "red", "caller": "1001", "dialed": "1002", "callee": "1002",
            "state": "answered", "started": "2027-01-15T08:00:00.000000Z",
            "answered": "2027-01-15T08:00:03.000000Z", "sip_call_id": "a@b", "media": null,
        })
    );
    let rest =
        platform.get(&format!("/v1/calls?limit=4&after={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!((ids(&rest), &rest["next"]), (vec![5, u64::MAX], &json!(null)));
    assert_eq!(ids(&platform.get("/v1/calls?tenant=blue").await.json()), [2, 4]);
}

#[tokio::test]
async fn a_tenant_sees_and_ends_its_own_calls_only() {
    let platform = Platform::with(two_threads()).await;
    platform.tenant("red").await;
    platform.tenant("blue").await;
    let blue = platform.tenant_token("blue").await;
    assert_eq!(ids(&platform.get_as(&blue, "/v1/calls").await.json()), [2, 4]);
    assert_eq!(platform.get_as(&blue, "/v1/calls/0000000000000004").await.status, 200);
    assert_eq!(platform.get_as(&blue, "/v1/calls/0000000000000003").await.status, 404);
    let bearer = format!("Bearer {blue}");
    let end = |id: u64| format!("DELETE /v1/calls/{id:016x}");
    let headers = [("Authorization", bearer.as_str())];
    let others = platform.request(&end(3), &headers, "").await;
    assert_eq!(others.problem(404), "there is no call 0000000000000003 in progress");
    assert_eq!(platform.request(&end(4), &headers, "").await.status, 204);
    let hung_up = platform.hung_up.lock().unwrap().clone();
    assert_eq!(
        hung_up.iter().map(|it| (it.call, it.reason.as_str())).collect::<Vec<_>>(),
        [(CallId(4), "ended by the tenant")]
    );
}

#[tokio::test]
async fn the_operator_ends_a_call() {
    let platform = Platform::with(two_threads()).await;
    assert_eq!(platform.delete("/v1/calls/ffffffffffffffff").await.status, 204);
    assert_eq!(platform.hung_up.lock().unwrap()[0].reason, "ended by the operator");
    assert_eq!(platform.delete("/v1/calls/00000000000000aa").await.status, 404);
    let detail = platform.delete("/v1/calls/aa").await.problem(422);
    assert_eq!(detail, r#"expected a call's number, 16 hexadecimal digits, read "aa""#);
}

#[tokio::test]
async fn a_thread_that_does_not_answer_is_missing_in_the_list_and_all_of_them_are_a_problem() {
    let mut threads = two_threads();
    threads[1].silent = true;
    let platform = Platform::with(threads).await;
    let page = platform.get("/v1/calls").await.json();
    assert_eq!((ids(&page), &page["missing"]), (vec![1, 4, 5], &json!(["signalling-1"])));
    let detail = platform.delete("/v1/calls/0000000000000002").await.problem(503);
    assert_eq!(detail, "no answer from signalling-1 in time; try again");

    let all_silent = vec![Thread { silent: true, ..Thread::default() }];
    let platform = Platform::with(all_silent).await;
    assert_eq!(
        platform.get("/v1/calls").await.problem(503),
        "no answer from signalling-0 in time; try again"
    );
}

#[tokio::test]
async fn registrations_are_one_list_in_order_of_tenant_and_user() {
    let registered = |tenant: u32, user: &str| Registration {
        aor: Aor { tenant: TenantId(tenant), user: user.into() },
        contacts: vec![Contact {
            uri: format!("sip:{user}@192.0.2.7"),
            q: 1000,
            expires: Moment::from_secs(1_800_000_000),
            transport: "udp".into(),
            ..Contact::default()
        }],
    };
    let thread = |registrations| Thread { registrations, ..Thread::default() };
    let platform = Platform::with(vec![
        thread(vec![registered(1, "1001"), registered(2, "1001")]),
        thread(vec![registered(1, "1002-x"), registered(2, "1000")]),
    ])
    .await;
    platform.tenant("red").await;
    platform.tenant("blue").await;
    let users = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|it| format!("{}/{}", it["tenant"], it["user"]).replace('"', "")).collect()
    };
    let first = platform.get("/v1/registrations?limit=2").await.json();
    assert_eq!(users(&first), ["red/1001", "red/1002-x"]);
    assert_eq!(first["items"][0]["contacts"][0]["uri"], "sip:1001@192.0.2.7");
    let rest = platform
        .get(&format!("/v1/registrations?limit=2&after={}", first["next"].as_str().unwrap()))
        .await
        .json();
    assert_eq!((users(&rest), &rest["next"]), (vec!["blue/1000".into(), "blue/1001".into()], &json!(null)));
    let blue = platform.tenant_token("blue").await;
    let own = platform.get_as(&blue, "/v1/registrations").await.json();
    assert_eq!(users(&own), ["blue/1000", "blue/1001"]);
}
