//! A platform that is heard on IPv4 and on IPv6: phones of one family call those of the other, and are heard.

use std::fs;
use std::net::SocketAddr;

use strowger_tests::{Phone, Platform};

use crate::furnished;

/// The platform is started again, heard on IPv6 as well.
fn also_on_ipv6(platform: &mut Platform) -> SocketAddr {
    platform.stop();
    // Below the ports of media.
    let port = 20_000 + std::process::id() % 9_000;
    let path = platform.folder().join("strowger.toml");
    let config = fs::read_to_string(&path).expect("its configuration");
    let more = format!("listen = [\"udp:[::1]:{port}\", \"tcp:[::1]:{port}\", \"udp:");
    fs::write(&path, config.replacen("listen = [\"udp:", &more, 1)).expect("a new configuration");
    platform.run();
    format!("[::1]:{port}").parse().expect("an address")
}

fn hear_each_other(platform: &Platform, callee: SocketAddr, caller: SocketAddr, transport: &str) {
    let answers =
        ["--register", "--answer", "--answer-after", "100", "--wait", "2", "--transport", transport];
    let mut bob = Phone::at(platform, callee, "test.example", "bob", &answers);
    bob.wait_for("registered");
    let calls = ["--register", "--call", "1002", "--talk", "1", "--transport", transport];
    let mut alice = Phone::at(platform, caller, "test.example", "alice", &calls);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    for phone in [&alice, &bob] {
        let quality = phone.wait_for("over")["quality"].clone();
        assert!(quality["received"].as_u64() > Some(30), "{callee} {caller} {transport}: {quality}");
    } // He leaves, and is rung there no more.
    assert!(bob.went_well(), "{}", bob.said());
}

#[test]
fn phones_of_both_families_hear_each_other() {
    let mut platform = furnished("");
    let six = also_on_ipv6(&mut platform);
    let four = platform.sip();
    for (callee, caller, transport) in
        [(six, six, "udp"), (six, four, "udp"), (four, six, "udp"), (six, six, "tcp")]
    {
        hear_each_other(&platform, callee, caller, transport);
    }
    let records = platform.records_of(4);
    assert!(records.iter().all(|record| record["outcome"] == "answered"), "{records:?}");
}
