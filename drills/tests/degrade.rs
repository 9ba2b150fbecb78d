//! The path to a host with media gets worse while calls talk through it: they go on elsewhere, as good as before.

use std::process::Command;

#[cfg_attr(not(namespaces), ignore = "network namespaces are not permitted here")]
#[test]
fn calls_leave_a_host_whose_path_gets_worse() {
    let drill =
        Command::new(env!("CARGO_BIN_EXE_strowger-drills")).args(["--stage", "paths", "--short"]).output();
    let drill = drill.expect("the drill starts");
    let said = String::from_utf8_lossy(&drill.stdout);
    println!("{said}");
    let complaints = String::from_utf8_lossy(&drill.stderr);
    assert!(drill.status.success(), "{said}\n{complaints}");
}
