//! A third cell joins, accounts move to it, and a cell is cut off from the others, while twenty calls are up.

use std::process::Command;

#[cfg_attr(not(namespaces), ignore = "network namespaces are not permitted here")]
#[test]
fn a_third_cell_joins_and_one_is_cut_off_and_no_call_is_lost() {
    let drill =
        Command::new(env!("CARGO_BIN_EXE_strowger-drills")).args(["--stage", "cells", "--short"]).output();
    let drill = drill.expect("the drill starts");
    let said = String::from_utf8_lossy(&drill.stdout);
    println!("{said}");
    let complaints = String::from_utf8_lossy(&drill.stderr);
    assert!(drill.status.success(), "{said}\n{complaints}");
}
