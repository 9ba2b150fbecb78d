use contract::query::{CallView, Ladder, Rung};
use contract::{CallId, TenantId};
use machine::Moment;
use serde_json::json;

use crate::platform::{Platform, Thread};

const CALL: CallId = CallId(0xabc);
const PATH: &str = "/v1/calls/0000000000000abc/ladder";

fn rung(ms: u64, party: &str, to_us: bool, text: &str) -> Rung {
    let message = text.replace('\n', "\r\n").into_bytes();
    Rung { at: Moment::from_micros(1_800_000_000_000_000 + ms * 1000), party: party.into(), to_us, message }
}

/// Two threads remember parts of one call; the order is that of time.
fn talked() -> Vec<Thread> {
    let request =
        |line: &str, method: &str| format!("{line} SIP/2.0\nCSeq: 1 {method}\nContent-Length: 0\n\n");
    let invite = "INVITE sip:1002@red.example SIP/2.0\nCSeq: 1 INVITE\nContent-Length: 3\n\nv=0";
    let response =
        |line: &str, method: &str| format!("SIP/2.0 {line}\nCSeq: 1 {method}\nContent-Length: 0\n\n");
    let bob = "sip:1002@192.0.2.7:5062";
    let carol = "sip:1002@198.51.100.9";
    let answered = invite.replace("INVITE sip:1002@red.example SIP/2.0", "SIP/2.0 200 OK");
    let first = vec![
        rung(0, "caller", true, invite),
        rung(1, "caller", false, &response("100 Trying", "INVITE")),
        rung(4, bob, false, invite),
        rung(5, carol, false, invite),
        rung(150, bob, true, &response("180 Ringing", "INVITE")),
        rung(151, "caller", false, &response("180 Ringing", "INVITE")),
    ];
    let second = vec![
        rung(9_002, carol, false, &request("CANCEL sip:1002@198.51.100.9", "CANCEL")),
        rung(2_400, bob, true, &answered),
        rung(2_401, "caller", false, &answered),
        rung(2_440, "caller", true, &request("ACK sip:1002@x", "ACK")),
        rung(9_010, carol, true, &response("487 Request Terminated", "INVITE")),
        rung(62_000, "caller", true, &request("BYE sip:1002@x", "BYE")),
        rung(62_030, bob, true, &response("200 OK", "BYE")),
    ];
    let of = |rungs| Thread { ladder: Some((CALL, Ladder { rungs })), ..Thread::default() };
    vec![of(first), of(second)]
}

#[tokio::test]
async fn a_ladder_is_in_order_of_time_whoever_remembers_it() {
    let platform = Platform::with(talked()).await;
    let ladder = platform.get(PATH).await.json();
    let labels: Vec<_> =
        ladder["rungs"].as_array().unwrap().iter().map(|it| it["label"].as_str().unwrap()).collect();
    assert_eq!(labels[..4], ["INVITE", "100 Trying", "INVITE", "INVITE"]);
    assert_eq!(labels[labels.len() - 3..], ["487 Request Terminated", "BYE", "200 OK (BYE)"]);
    let second = &ladder["rungs"][1];
    assert_eq!(
        (&second["status"], &second["after_seconds"], &second["to_us"], &second["sdp"]),
        (&json!(100), &json!(0.001), &json!(false), &json!(false))
    );
    assert_eq!(ladder["rungs"][0]["sdp"], true);
}

#[tokio::test]
async fn a_ladder_is_a_picture_for_who_wants_one() {
    let platform = Platform::with(talked()).await;
    let bearer = format!("Bearer {}", platform.token);
    let headers = [("Authorization", bearer.as_str()), ("Accept", "image/svg+xml")];
    let picture = platform.request(&format!("GET {PATH}"), &headers, "").await;
    assert_eq!(picture.status, 200);
    assert!(picture.head.contains("content-type: image/svg+xml"), "{}", picture.head);
    assert!(picture.body.starts_with("<svg ") && picture.body.ends_with("</svg>\n"));
    assert_eq!(picture.body.matches("marker-end").count(), 13);
    assert_eq!(platform.get(&format!("{PATH}?format=svg")).await.body, picture.body);
    let wanted_both =
        [("Authorization", bearer.as_str()), ("Accept", "application/json, image/svg+xml;q=0.5")];
    assert!(platform.request(&format!("GET {PATH}"), &wanted_both, "").await.body.starts_with('{'));
    if let Some(file) = std::env::var_os("LADDER_SVG") {
        std::fs::write(file, &picture.body).unwrap();
    }
}

#[tokio::test]
async fn what_nobody_remembers_is_not_there_and_what_is_anothers_neither() {
    let mut threads = talked();
    let own = CallView { id: CALL, tenant: TenantId(1), ..CallView::default() };
    threads[0].calls = vec![own];
    let platform = Platform::with(threads).await;
    platform.tenant("red").await;
    platform.tenant("blue").await;
    let detail = platform.get("/v1/calls/00000000000000ff/ladder").await.problem(404);
    assert_eq!(detail, "no messages are remembered of call 00000000000000ff");
    let (red, blue) = (platform.tenant_token("red").await, platform.tenant_token("blue").await);
    assert_eq!(platform.get_as(&red, PATH).await.status, 200);
    assert_eq!(
        platform.get_as(&blue, PATH).await.problem(404),
        "no messages are remembered of call 0000000000000abc"
    );
}
