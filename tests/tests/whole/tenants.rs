//! Two tenants with the same extension never meet.

use serde_json::json;
use strowger_tests::Phone;

use crate::furnished;

#[test]
fn the_same_extension_of_two_tenants_leads_to_different_people() {
    let platform = furnished("");
    platform.add_tenant("other", "other.example", false);
    platform.add_user("other", "alice");
    platform.add_user("other", "bob");
    platform.add_number("other", "1002", &json!({"user": "bob"}));
    let ours = Phone::answering(&platform, "bob", 100);
    let theirs =
        Phone::of(&platform, "other.example", "bob", &["--register", "--answer", "--answer-after", "100"]);
    theirs.wait_for("registered");

    let call = ["--register", "--call", "1002", "--talk", "1"];
    let mut stranger = Phone::of(&platform, "other.example", "alice", &call);
    assert!(stranger.went_well(), "{}", stranger.said());
    theirs.wait_for("over");
    assert_eq!(ours.told("incoming").len(), 0, "{}", ours.said());

    let mut alice = Phone::calling(&platform, "alice", "1002", 1.0);
    assert!(alice.went_well(), "{}", alice.said());
    ours.wait_for("over");
    assert_eq!(theirs.told("incoming").len(), 1, "{}", theirs.said());

    let mut tenants: Vec<_> = platform.records_of(2).iter().map(|record| record["tenant"].clone()).collect();
    tenants.sort_by_key(ToString::to_string);
    assert_eq!(tenants, [json!("other"), json!("test")]);
}
