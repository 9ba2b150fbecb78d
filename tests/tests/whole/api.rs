//! The API is guarded by a token; what operators' tools read is open.

use serde_json::Value;
use strowger_tests::{Platform, request};

#[test]
fn without_the_token_nothing_is_told_or_changed() {
    let platform = Platform::start();
    for path in
        ["/v1/calls", "/v1/registrations", "/v1/call-records", "/v1/tenants", "/v1/tenants/test/users"]
    {
        for token in ["", "guessed"] {
            assert_eq!(request(platform.api(), "GET", path, token, None).status, 401, "{path}");
        }
        assert_eq!(platform.ask("GET", path, None).status, 200, "{path}");
    }
    let user: Value = serde_json::json!({"name": "mallory", "password": "x"});
    assert_eq!(request(platform.api(), "POST", "/v1/tenants/test/users", "", Some(&user)).status, 401);
    assert_eq!(platform.get("/v1/tenants/test/users")["items"].as_array().map(Vec::len), Some(0));
}

#[test]
fn health_metrics_and_the_description_are_open() {
    let platform = Platform::start();
    let ask = |path| request(platform.api(), "GET", path, "", None);
    assert_eq!(ask("/healthz").status, 200);
    let metrics = ask("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text.contains("# TYPE") && metrics.text.contains("# EOF"), "{}", metrics.text);
    let document = ask("/v1/openapi.json");
    assert_eq!(document.status, 200);
    for path in ["/v1/calls", "/v1/call-records", "/v1/registrations"] {
        assert!(document.json()["paths"][path].is_object(), "{path} is not described");
    }
}

#[test]
fn accounts_come_and_go_by_the_api() {
    let platform = Platform::start();
    platform.add_user("test", "carol");
    assert_eq!(platform.ask("DELETE", "/v1/tenants/test/users/carol", None).status, 204);
    assert_eq!(platform.ask("GET", "/v1/tenants/test/users/carol", None).status, 404);
}
