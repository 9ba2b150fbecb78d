//! Files stay small: 400 lines is what we aim at, 800 is the end, tests not counted. Clippy watches functions.

use std::path::Path;

use crate::tree::sources;

const HARD: usize = 800;
const ROOMS: [&str; 9] =
    ["pure", "plumbing", "services", "strowger", "sim", "xtask", "benches", "drills", "fuzz/fuzz_targets"];
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "helpers", "common", "manager"];

pub(crate) fn check() -> Vec<String> {
    let files = ROOMS.iter().flat_map(|room| sources(Path::new(room)));
    files.flat_map(|path| one(&path)).collect()
}

fn one(path: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    if EMPTY_NAMES.contains(&name.as_ref()) {
        complaints.push(format!("{}: a name that says nothing", path.display()));
    }
    if path.components().any(|part| part.as_os_str() == "tests") {
        return complaints;
    }
    let Ok(text) = std::fs::read_to_string(path) else {
        complaints.push(format!("{}: cannot be read", path.display()));
        return complaints;
    };
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    if lines > HARD {
        complaints.push(format!("{}: {lines} lines, at most {HARD}", path.display()));
    }
    complaints
}
