//! One fault of each kind while twenty calls are up: nothing is lost.

use std::process::Command;

#[cfg_attr(not(namespaces), ignore = "network namespaces are not permitted here")]
#[test]
fn one_fault_of_each_kind_loses_no_call_and_no_record() {
    let drill = Command::new(env!("CARGO_BIN_EXE_strowger-drills")).arg("--short").output();
    let drill = drill.expect("the drill starts");
    let said = String::from_utf8_lossy(&drill.stdout);
    println!("{said}");
    let complaints = String::from_utf8_lossy(&drill.stderr);
    assert!(drill.status.success(), "{said}\n{complaints}");
}
