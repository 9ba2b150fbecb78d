//! The drill on each of its stages, in short: few calls, and each kind of fault once.

use std::process::Command;

/// # Panics
/// When a call or a record is lost, or a fault does not strike.
fn nothing_is_lost(stage: &str) {
    let drill =
        Command::new(env!("CARGO_BIN_EXE_strowger-drills")).args(["--stage", stage, "--short"]).output();
    let drill = drill.expect("the drill starts");
    let said = String::from_utf8_lossy(&drill.stdout);
    println!("{said}");
    let complaints = String::from_utf8_lossy(&drill.stderr);
    assert!(drill.status.success(), "{said}\n{complaints}");
}

#[cfg_attr(not(namespaces), ignore = "network namespaces are not permitted here")]
#[test]
fn one_fault_of_each_kind_loses_no_call_and_no_record() {
    nothing_is_lost("hosts");
}

#[cfg_attr(not(namespaces), ignore = "network namespaces are not permitted here")]
#[test]
fn a_third_cell_joins_and_one_is_cut_off_and_no_call_is_lost() {
    nothing_is_lost("cells");
}

#[cfg_attr(not(namespaces), ignore = "network namespaces are not permitted here")]
#[test]
fn calls_leave_a_host_whose_path_gets_worse_and_sound_as_good_as_before() {
    nothing_is_lost("paths");
}
