use serde_json::{Value, json};
use strowger_api_service::client::Client;

use crate::platform::Platform;

const FILE: &str = "m-1,1001@red.example,4930123,1790000000,61\n\
                    m-2,sip:+4930111@red.example;user=phone,4930123,1790000060,60\n\
                    m-3,1001,4930123,1790000120,1\n";

async fn with_users() -> Platform {
    let platform = Platform::idle().await;
    platform.tenant("red").await;
    let anna = r#"{"name": "1001", "password": "x", "balance_micros": 500000}"#;
    let bert = r#"{"name": "1002", "password": "x", "number": "+4930111"}"#;
    for user in [anna, bert] {
        assert_eq!(platform.post("/v1/tenants/red/users", user).await.status, 201);
    }
    platform
}

/// At five cents for each minute that is begun.
async fn import(platform: &Platform, more: &str, file: &str) -> Value {
    let path = format!("/v1/record-imports?carrier=mno&micros_per_minute=50000&step_seconds=60{more}");
    let done = platform.post(&path, file).await;
    assert_eq!(done.status, 200, "{}", done.body);
    done.json()
}

async fn balance(platform: &Platform, user: &str) -> Value {
    platform.get(&format!("/v1/tenants/red/users/{user}")).await.json()["balance_micros"].clone()
}

#[tokio::test]
async fn calls_that_a_carrier_took_are_charged_at_the_fixed_rate_and_listed_with_the_others() {
    let platform = with_users().await;
    let done = import(&platform, "&tenant=red", FILE).await;
    let price = json!({"micros": 200_000, "currency": "EUR"});
    assert_eq!((&done["imported"], &done["repeated"], &done["price"]), (&json!(3), &json!(0), &price));
    assert_eq!(done["refused"], json!([]));
    assert_eq!(balance(&platform, "1001").await, json!(350_000), "two minutes and one");
    let listed = platform.get("/v1/call-records").await.json();
    let of = |at: usize, field: &str| listed["items"][at][field].clone();
    assert_eq!(
        (of(0, "carrier"), of(0, "caller"), of(0, "tenant")),
        (json!("mno"), json!("1001"), json!("red"))
    );
    assert_eq!((of(1, "caller"), of(1, "sip_call_id")), (json!("1002"), json!("m-2")), "by its number");
    assert_eq!(
        (of(2, "talked_seconds"), of(2, "price")),
        (json!(61.0), json!({"micros": 100_000, "currency": "EUR"}))
    );
}

#[tokio::test]
async fn a_file_that_is_cut_short_and_delivered_again_is_charged_once() {
    let platform = with_users().await;
    let cut = &FILE[..FILE.len() - 1];
    let done = import(&platform, "&tenant=red", cut).await;
    assert_eq!(done["imported"], 2);
    assert_eq!(done["refused"], json!([{"line": 3, "reason": "has no end: the file may be cut short"}]));
    for repeated in [2, 3, 3] {
        assert_eq!(import(&platform, "&tenant=red", FILE).await["repeated"], repeated);
    }
    assert_eq!(balance(&platform, "1001").await, json!(350_000));
    assert_eq!(platform.get("/v1/call-records").await.json()["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn bad_lines_are_told_and_good_ones_count() {
    let platform = with_users().await;
    let file =
        format!("{FILE}m-4,1003@red.example,1,1790000000,1\nm-5,1001@blue.example,1,1790000000,1\nm-6,x\n");
    let done = import(&platform, "&first_line=101", &file).await;
    assert_eq!(done["imported"], 2, "nobody takes who says no domain");
    let refused: Vec<_> = done["refused"].as_array().unwrap().iter().map(|it| it["line"].clone()).collect();
    assert_eq!(refused, [103, 104, 105, 106]);
    let reason = done["refused"][1]["reason"].as_str().unwrap();
    assert_eq!(reason, r#"caller: "1003@red.example" is no user or number of any tenant"#);
}

#[tokio::test]
async fn only_the_operator_imports_and_only_what_has_a_price() {
    let platform = with_users().await;
    let token = platform.tenant_token("red").await;
    let bearer = format!("Bearer {token}");
    let path = "POST /v1/record-imports?carrier=mno&micros_per_minute=1";
    platform.request(path, &[("Authorization", &bearer)], FILE).await.problem(403);
    for query in ["carrier=M%20O&micros_per_minute=1", "carrier=mno", "carrier=mno&micros_per_minute=-1"] {
        platform.post(&format!("/v1/record-imports?{query}"), FILE).await.problem(422);
    }
}

/// Prints how long it takes; how long it may take is a benchmark's business.
#[tokio::test]
async fn a_long_file_is_imported_in_parts() {
    let platform = with_users().await;
    let lines =
        std::env::var("STROWGER_IMPORT_LINES").ok().and_then(|lines| lines.parse().ok()).unwrap_or(45_000);
    let mut file = "dialed,id,start,seconds,caller\n".to_owned();
    for line in 0..lines {
        file += &format!("4930123,m-{line},{},1,1001@red.example\n", 1_790_000_000 + line);
    }
    let client = Client::of(platform.address, &platform.dir).unwrap();
    let began = std::time::Instant::now();
    let importing = tokio::task::spawn_blocking(move || {
        let mut parts = Vec::new();
        let done =
            client.import_records(file.as_bytes(), ("mno", None), (60_000, 1), |part| parts.push(part));
        done.map(|()| parts)
    });
    let parts = importing.await.unwrap().unwrap();
    println!("{lines} lines in {:?}", began.elapsed());
    assert!(parts.iter().all(|part| part.refused.is_empty()));
    assert_eq!(parts.iter().map(|part| part.imported).sum::<u64>(), lines);
    assert_eq!(balance(&platform, "1001").await, json!(500_000 - 1_000 * lines as i64));
}
