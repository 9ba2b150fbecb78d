//! Versions and features stand in the workspace's manifest and nowhere else.

use serde_json::Value;

use crate::tree::{folder, packages};

pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let root = metadata["workspace_root"].as_str().unwrap_or(".");
    packages(metadata)
        .filter_map(|package| folder(metadata, package))
        .flat_map(|folder| one(root, folder))
        .collect()
}

fn one(root: &str, folder: &str) -> Vec<String> {
    let path = format!("{root}/{folder}/Cargo.toml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return vec![format!("{folder}/Cargo.toml: cannot be read")];
    };
    let mut section = String::new();
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.trim().strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if section.ends_with("dependencies")
            && line.contains('=')
            && !line.contains("workspace = true")
        {
            complaints.push(format!("{folder}/Cargo.toml:{}: say `.workspace = true`: {line}", number + 1));
        }
    }
    if !text.contains("[lints]\nworkspace = true") {
        complaints.push(format!("{folder}/Cargo.toml: takes no part in the workspace's lints"));
    }
    complaints
}
