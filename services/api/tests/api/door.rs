use std::os::unix::fs::PermissionsExt;

use strowger_api_service::TOKEN_FILE;

use crate::platform::Platform;

#[tokio::test]
async fn nobody_comes_in_without_a_token() {
    let platform = Platform::idle().await;
    for path in ["/v1/calls", "/v1/tenants", "/v1/call-records", "/v1/tenants/x/users"] {
        let response = platform.request(&format!("GET {path}"), &[], "").await;
        assert!(response.problem(401).starts_with("expected a header \"Authorization: Bearer TOKEN\""));
        assert!(response.head.contains("www-authenticate: bearer"));
    }
    assert_eq!(platform.get_as("wrong", "/v1/tenants").await.problem(401), "this token is not known here");
    assert_eq!(platform.get("/v1/tenants").await.status, 200);
}

#[tokio::test]
async fn the_first_token_is_the_owners_alone_and_only_its_hash_is_kept() {
    let platform = Platform::idle().await;
    let mode = std::fs::metadata(platform.dir.join(TOKEN_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    platform.store.close().await;
    let token = platform.token.trim_start_matches("strowger_").as_bytes();
    for file in ["strowger.db", "strowger.db-wal"] {
        let kept = std::fs::read(platform.dir.join(file)).unwrap_or_default();
        assert!(!kept.windows(token.len()).any(|window| window == token), "{file} holds the token");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let platform = Platform::idle().await;
    assert_eq!(
        platform.get("/v1/nothing").await.problem(404),
        r#"there is no resource "/v1/nothing"; /v1/openapi.json lists what there is"#
    );
    assert_eq!(platform.delete("/v1/tenants").await.problem(405), r#""/v1/tenants" takes no DELETE"#);
}

#[tokio::test]
async fn a_tenants_token_opens_that_tenant_and_nothing_else() {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    platform.tenant("blue").await;
    let red = platform.tenant_token("red").await;
    assert_eq!(platform.get_as(&red, "/v1/tenants/red").await.status, 200);
    for path in ["/v1/tenants/blue/users", "/v1/tenants/nowhere/users"] {
        let detail = platform.get_as(&red, path).await.problem(403);
        assert!(detail.starts_with("this token is not for tenant"), "{detail}");
    }
    let detail = platform.get_as(&red, "/v1/tenants").await.problem(403);
    assert_eq!(detail, "this token is for one tenant; this takes the operator's");
    assert_eq!(platform.get_as(&red, "/v1/call-records?tenant=blue").await.status, 403);

    assert_eq!(platform.delete("/v1/tenants/red/tokens/desk").await.status, 204);
    assert_eq!(platform.get_as(&red, "/v1/tenants/red").await.status, 401);
}

#[tokio::test]
async fn a_body_or_a_query_that_is_wrong_is_told_what_is_wrong_with_it() {
    let platform = Platform::idle().await;
    let detail = platform.post("/v1/tenants", "{").await.problem(400);
    assert!(detail.contains("EOF while parsing"), "{detail}");
    let detail = platform.post("/v1/tenants", r#"{"name": "red"}"#).await.problem(422);
    assert!(detail.contains("missing field `domains`"), "{detail}");
    let detail =
        platform.post("/v1/tenants", r#"{"name": "red", "domains": [], "colour": 1}"#).await.problem(422);
    assert!(detail.contains("unknown field `colour`"), "{detail}");
    let detail = platform.get("/v1/call-records?form=2026").await.problem(422);
    assert!(detail.contains("unknown field `form`"), "{detail}");
    let detail = platform.get("/v1/call-records?from=yesterday").await.problem(422);
    assert!(detail.contains("expected a time like 2026-11-21T08:30:00Z"), "{detail}");
    let long = format!(r#"{{"name": "red", "domains": ["{}"]}}"#, "x".repeat(100_000));
    assert_eq!(platform.post("/v1/tenants", &long).await.status, 413);
}
