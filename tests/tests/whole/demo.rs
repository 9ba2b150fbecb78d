//! `strowger demo --once`, as a newcomer runs it: it proves itself, again and again on the same data.

use std::fs;
use std::process::Command;

use strowger_tests::strowger;

#[test]
fn the_demo_proves_itself_and_does_so_again() {
    let process = std::process::id();
    let folder = std::env::temp_dir().join(format!("strowger-demo-{process}"));
    fs::create_dir_all(&folder).expect("a folder of the test's own");
    let address = format!("127.{}.{}.9", (process >> 8 & 0x3f) + 1, process & 0xff);
    let runtime = format!("/dev/shm/strowger-test-demo-{process}");
    let config = format!(
        "runtime = \"{runtime}\"\n[sip]\nlisten = [\"udp:{address}:5060\", \"tcp:{address}:5060\"]\n[api]\nlisten = \"{address}:8080\"\n\
         [signalling]\njournal_mb = 32\n[media]\nlegs = 50\njournal_mb = 8\n"
    );
    fs::write(folder.join("strowger.toml"), config).expect("the configuration");
    for round in ["first", "second"] {
        let output = Command::new(strowger()).arg("demo").arg("--once").current_dir(&folder).output();
        let output = output.expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the {round} time: {said}\n{complaints}");
        for part in [
            "user alice  password wonderland  number 1001",
            "407 Proxy Authentication",
            "INVITE +credentials (SDP)",
            "200 OK BYE",
            "MOS 4.",
            "\"outcome\": \"answered\"",
            "it works.",
        ] {
            assert!(said.contains(part), "no {part:?} the {round} time: {said}\n{complaints}");
        }
    }
    let broken = format!("runtime = \"{runtime}\"\n[sip]\nlisten = [\"tcp:127.0.0.1:1\"]\n");
    let broken = fs::write(folder.join("strowger.toml"), broken);
    broken.expect("a configuration that can't be served");
    let output = Command::new(strowger()).arg("demo").arg("--once").current_dir(&folder).output();
    assert!(!output.expect("it runs").status.success(), "its result is its status");
    fs::remove_dir_all(folder).expect("nobody uses it any more");
    let _ = fs::remove_dir_all(runtime);
}
