//! Nobody of ours answers: phones turn to a mobile operator, whose file of calls is delivered later.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

use strowger_tests::{MobileOperator, Phone, Platform, eventually, strowger};

use crate::furnished;

fn import(platform: &Platform, file: &str) -> Output {
    let mut command = Command::new(strowger());
    command.arg("--config").arg(platform.folder().join("strowger.toml"));
    command.args(["records", "import", file, "--carrier", "mno", "--rate", "0.60"]);
    command.current_dir(platform.folder()).output().expect("it runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn calls_go_by_the_mobile_operator_while_we_are_away_and_are_charged_once_when_its_file_comes() {
    let mut platform = furnished("");
    let file = platform.folder().join("calls.csv");
    let operator = MobileOperator::at(SocketAddr::new(platform.address().into(), 5090), &file);
    platform.stop();
    let second = operator.sip().to_string();
    let more = ["--server", &second, "--register", "--call", "4930123", "--talk", "1.5"];
    let mut alice = Phone::of(&platform, "test.example", "alice", &more);
    assert!(alice.went_well(), "{}", alice.said());
    assert_eq!(alice.told("server")[0]["server"], 1);
    assert!(
        eventually(Duration::from_secs(5), || operator.written().ends_with('\n')),
        "no call was written down"
    );
    let line = operator.written();
    assert!(line.contains(",alice@test.example,4930123,"), "{line}");
    let seconds: i64 = line.trim().rsplit(',').next().and_then(|it| it.parse().ok()).expect("seconds");

    platform.run();
    let cut = platform.folder().join("cut.csv");
    std::fs::write(&cut, line.trim_end()).expect("a file that is cut short");
    let told = import(&platform, "cut.csv");
    assert!(!told.status.success());
    assert!(said(&told).contains("cut.csv:1: has no end: the file may be cut short"), "{}", said(&told));
    for (imported, before) in [(1, 0), (0, 1)] {
        let told = import(&platform, "calls.csv");
        assert!(told.status.success(), "{}", said(&told));
        let expected = format!("{imported} imported for 0.0{}", if imported == 1 { seconds } else { 0 });
        let text = said(&told);
        assert!(
            text.starts_with(&expected) && text.contains(&format!("{before} were here already")),
            "{text}"
        );
    }
    let records = platform.records_of(1);
    assert_eq!((records[0]["carrier"].as_str(), records[0]["caller"].as_str()), (Some("mno"), Some("alice")));
    assert_eq!(records[0]["price"]["micros"], seconds * 10_000);
}
