use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What `cargo metadata` says of the workspace and all that it borrows.
pub(crate) fn metadata() -> Result<Value, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// The folder of a package below the workspace, e.g. `pure/sip`; none for borrowed ones.
pub(crate) fn folder<'a>(metadata: &Value, package: &'a Value) -> Option<&'a str> {
    let root = metadata["workspace_root"].as_str()?;
    let manifest = package["manifest_path"].as_str()?;
    if !package["source"].is_null() {
        return None;
    }
    manifest.strip_prefix(root)?.strip_prefix('/')?.strip_suffix("/Cargo.toml")
}

/// All packages, ours and borrowed.
pub(crate) fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// All files below `folder` with the ending `.rs`, in order.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
