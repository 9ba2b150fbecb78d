use serde_json::json;

use crate::platform::{Platform, Thread};

#[tokio::test]
async fn the_health_of_each_worker_is_told_to_everybody() {
    let platform = Platform::with(vec![Thread::default(), Thread::default()]).await;
    let health = platform.request("GET /healthz", &[], "").await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    let names: Vec<_> = health.json()["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["signalling-0", "signalling-1", "media", "office"]);
}

#[tokio::test]
async fn a_worker_that_does_not_answer_is_not_well() {
    let platform = Platform::with(vec![Thread { silent: true, ..Thread::default() }]).await;
    let health = platform.request("GET /healthz", &[], "").await;
    assert_eq!((health.status, &health.json()["status"]), (503, &json!("degraded")));
    let sick = &health.json()["workers"][0];
    assert_eq!((&sick["ok"], &sick["problem"]), (&json!(false), &json!("no answer within 500 ms")));
}

#[tokio::test]
async fn figures_of_all_workers_are_there_for_prometheus() {
    let platform = Platform::with(vec![Thread::default(), Thread::default()]).await;
    let metrics = platform.request("GET /metrics", &[], "").await;
    assert!(metrics.head.contains("content-type: application/openmetrics-text"), "{}", metrics.head);
    for line in [
        "# TYPE strowger_requests counter",
        "strowger_requests_total{worker=\"signalling-1\"} 17.0",
        "# TYPE strowger_calls gauge",
        "strowger_calls{worker=\"signalling-0\"} 3.0",
        "strowger_media_sessions{worker=\"media\"} 2.0",
        "strowger_member_answers{worker=\"office\"} 1.0",
        "# EOF",
    ] {
        assert!(metrics.body.lines().any(|it| it == line), "{line} is not in:\n{}", metrics.body);
    }
    assert!(metrics.body.contains("strowger_process_cpu_seconds_total{worker=\"office\"}"));
    assert!(!metrics.body.contains("bad name"));
}

#[tokio::test]
async fn the_openapi_document_names_every_path_and_resolves_every_reference() {
    let platform = Platform::idle().await;
    let document = platform.request("GET /v1/openapi.json", &[], "").await.json();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/v1/calls",
        "/v1/calls/{id}",
        "/v1/calls/{id}/ladder",
        "/v1/registrations",
        "/v1/call-records",
        "/v1/call-records/{id}",
        "/v1/tenants",
        "/v1/tenants/{tenant}",
        "/v1/tenants/{tenant}/users",
        "/v1/tenants/{tenant}/users/{user}",
        "/v1/tenants/{tenant}/numbers",
        "/v1/tenants/{tenant}/numbers/{number}",
        "/v1/tenants/{tenant}/tokens",
        "/healthz",
        "/metrics",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/").skip(1) {
        let pointer = format!("/{}", reference.split('"').next().unwrap());
        assert!(document.pointer(&pointer).is_some(), "{pointer} leads nowhere");
    }
    assert!(text.contains("\"bearer\""));
}
