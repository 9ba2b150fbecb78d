//! `strowger -> services -> plumbing -> pure`; `sim -> pure`; no role imports another.

use serde_json::Value;

use crate::tree::{folder, packages};

/// What no crate below `pure/` may need.
const IMPURE: [&str; 8] = ["tokio", "mio", "libc", "nix", "getrandom", "rand", "socket2", "async-std"];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Floor {
    Pure,
    Plumbing,
    Services,
    Top,
}

fn floor(folder: &str) -> Floor {
    match folder.split('/').next() {
        Some("pure") => Floor::Pure,
        Some("plumbing") => Floor::Plumbing,
        Some("services") => Floor::Services,
        _ => Floor::Top,
    }
}

/// The role that a folder belongs to.
fn role(folder: &str) -> Option<&str> {
    folder.strip_prefix("pure/roles/").or_else(|| folder.strip_prefix("services/"))
}

pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let ours: Vec<(&str, &str, &Value)> = packages(metadata)
        .filter_map(|package| Some((package["name"].as_str()?, folder(metadata, package)?, package)))
        .collect();
    let mut complaints = Vec::new();
    for (_, from, package) in &ours {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = dependency["name"].as_str().unwrap_or_default();
            let tests_only = dependency["kind"] == "dev";
            if floor(from) == Floor::Pure && !tests_only && IMPURE.contains(&name) {
                complaints.push(format!("{from}: pure code needs no {name}"));
            }
            let Some((_, to, _)) = ours.iter().find(|(known, _, _)| *known == name) else { continue };
            if !tests_only && let Some(why) = wrong(from, to) {
                complaints.push(format!("{from} imports {to}: {why}"));
            }
        }
    }
    complaints
}

fn wrong(from: &str, to: &str) -> Option<&'static str> {
    if from == "sim" && floor(to) != Floor::Pure {
        return Some("the simulation stands on pure/ alone");
    }
    if floor(to) > floor(from) {
        return Some("arrows point down: strowger, services, plumbing, pure");
    }
    if floor(from) == Floor::Plumbing && role(to).is_some() {
        return Some("plumbing knows no role");
    }
    match (role(from), role(to)) {
        (Some(one), Some(other)) if one != other => Some("roles never import each other"),
        // Composition is the worker's and the binary's business alone.
        (None, Some(_)) if floor(from) == Floor::Pure && from != "pure/worker" => {
            Some("only pure/worker puts roles together")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_one_way() {
        assert_eq!(wrong("strowger", "services/edge"), None);
        assert_eq!(wrong("services/edge", "pure/roles/edge"), None);
        assert_eq!(wrong("pure/worker", "pure/roles/edge"), None);
        assert!(wrong("pure/sip", "plumbing/io").is_some());
        assert!(wrong("services/edge", "services/media").is_some());
        assert!(wrong("services/edge", "pure/roles/media").is_some());
        assert!(wrong("pure/roles/edge", "pure/roles/exchange").is_some());
        assert!(wrong("plumbing/host", "pure/roles/edge").is_some());
        assert!(wrong("pure/call", "pure/roles/edge").is_some());
        assert!(wrong("sim", "plumbing/io").is_some());
    }
}
