use contract::TenantId;
use serde_json::json;

use crate::platform::Platform;

#[tokio::test]
async fn a_user_is_added_shown_changed_and_removed_and_the_exchanges_are_told() {
    let platform = Platform::idle().await;
    let red = platform.tenant("red").await;
    platform.told().await;
    let body = r#"{"name": "1001", "password": "secret", "number": "+4930123", "display_name": "Rita"}"#;
    let added = platform.post("/v1/tenants/red/users", body).await;
    assert_eq!(added.status, 201, "{}", added.body);
    let shown = json!({
        "name": "1001", "realm": "red.example", "number": "4930123", "display_name": "Rita",
        "blocked": false, "direct_media": false, "balance_micros": null,
    });
    assert_eq!(added.json(), shown);
    assert_eq!(platform.told().await, [Some("1001".into()), Some("4930123".into())]);
    assert_eq!(
        platform.get("/v1/tenants/red/numbers").await.json()["items"][0]["to"],
        json!({"user": "1001"})
    );

    let before = platform.store.users().named(red, "1001").await.unwrap().user;
    assert_eq!(before.ha1_md5.len(), 32);
    let changed =
        platform.patch("/v1/tenants/red/users/1001", r#"{"password": "other", "blocked": true}"#).await;
    assert_eq!(changed.json()["blocked"], true);
    assert_eq!(changed.json()["display_name"], "Rita");
    let after = platform.store.users().named(red, "1001").await.unwrap().user;
    assert!(before.ha1_md5 != after.ha1_md5 && before.ha1_sha256 != after.ha1_sha256);
    assert_eq!(platform.told().await, [Some("1001".into())]);

    assert_eq!(platform.delete("/v1/tenants/red/users/1001").await.status, 204);
    assert_eq!(platform.told().await, [Some("4930123".into()), Some("1001".into())]);
    assert_eq!(platform.get("/v1/tenants/red/users/1001").await.problem(404), r#"there is no user "1001""#);
    assert_eq!(platform.get("/v1/tenants/red/numbers/4930123").await.status, 404);
}

#[tokio::test]
async fn what_exists_is_not_added_again() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    let detail = platform.post("/v1/tenants", r#"{"name": "red", "domains": ["a.b"]}"#).await.problem(409);
    assert_eq!(detail, r#"tenant "red" exists already"#);
    let detail =
        platform.post("/v1/tenants", r#"{"name": "blue", "domains": ["RED.example"]}"#).await.problem(409);
    assert_eq!(detail, r#"domain "red.example" belongs to tenant "red""#);
    let user = r#"{"name": "1001", "password": "x", "number": "7"}"#;
    platform.post("/v1/tenants/red/users", user).await;
    assert_eq!(
        platform.post("/v1/tenants/red/users", user).await.problem(409),
        r#"user "1001" exists already"#
    );
    let detail = platform
        .post("/v1/tenants/red/numbers", r#"{"number": "7", "to": {"app": "echo"}}"#)
        .await
        .problem(409);
    assert_eq!(detail, r#"number "7" exists already"#);
    let detail = platform
        .post("/v1/tenants/red/numbers", r#"{"number": "8", "to": {"user": "2"}}"#)
        .await
        .problem(409);
    assert_eq!(detail, r#"number "8" cannot lead to user "2": there is no such user"#);
}

#[tokio::test]
async fn names_that_sip_cannot_carry_are_refused() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    let detail =
        platform.post("/v1/tenants/red/users", r#"{"name": "a@b", "password": "x"}"#).await.problem(422);
    assert_eq!(detail, r#"name: expected 1 to 64 of a-z, A-Z, 0-9, -, _, . and +, read "a@b""#);
    let detail =
        platform.post("/v1/tenants/red/users", r#"{"name": "ab", "password": ""}"#).await.problem(422);
    assert!(detail.starts_with("password: expected 1 to 256 characters"), "{detail}");
    let detail = platform.post("/v1/tenants", r#"{"name": "x", "domains": []}"#).await.problem(422);
    assert_eq!(detail, "domains: expected at least one; the first is the digest realm");
    let detail = platform
        .post("/v1/tenants/red/numbers", r#"{"number": "12a", "to": {"app": "echo"}}"#)
        .await
        .problem(422);
    assert!(detail.starts_with("number: expected 1 to 32 digits"), "{detail}");
}

#[tokio::test]
async fn a_number_leads_to_an_app_and_is_removed_however_it_is_written() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    platform.told().await;
    let added =
        platform.post("/v1/tenants/red/numbers", r#"{"number": "+4999", "to": {"app": "echo"}}"#).await;
    assert_eq!((added.status, added.json()), (201, json!({"number": "4999", "to": {"app": "echo"}})));
    assert_eq!(platform.get("/v1/tenants/red/numbers/4999").await.status, 200);
    assert_eq!(platform.delete("/v1/tenants/red/numbers/%2B4999").await.status, 204);
    assert_eq!(
        platform.delete("/v1/tenants/red/numbers/4999").await.problem(404),
        r#"there is no number "4999""#
    );
    assert_eq!(platform.told().await, [Some("4999".into()), Some("4999".into())]);
}

#[tokio::test]
async fn a_tenant_goes_with_its_users_and_the_next_one_is_another() {
    let platform = Platform::idle().await;
    let red = platform.tenant("red").await;
    platform.post("/v1/tenants/red/users", r#"{"name": "1001", "password": "x"}"#).await;
    let change = r#"{"domains": ["red.example", "also.example"], "fallback": true}"#;
    let changed = platform.patch("/v1/tenants/red", change).await.json();
    assert_eq!(changed["domains"], json!(["red.example", "also.example"]));
    assert_eq!(platform.delete("/v1/tenants/red").await.status, 204);
    assert_eq!(platform.get("/v1/tenants/red").await.problem(404), r#"there is no tenant "red""#);
    let again = platform.tenant("red").await;
    assert_ne!((red, TenantId(0)), (again, TenantId(0)));
    assert_eq!(platform.get("/v1/tenants/red/users").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    for number in 1..=5 {
        let body = format!(r#"{{"name": "100{number}", "password": "x"}}"#);
        platform.post("/v1/tenants/red/users", &body).await;
    }
    let first = platform.get("/v1/tenants/red/users?limit=3").await.json();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["next"]), (3, &json!("1003")));
    let second = platform.get("/v1/tenants/red/users?limit=3&after=1003").await.json();
    assert_eq!((second["items"].as_array().unwrap().len(), &second["next"]), (2, &json!(null)));
}
