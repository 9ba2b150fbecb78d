//! All that is borrowed may be given on under our own licence.

use serde_json::Value;

use crate::tree::packages;

const GOOD: [&str; 15] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    // Of data: the list of certificate authorities.
    "CDLA-Permissive-2.0",
];

pub(crate) fn check(metadata: &Value) -> Vec<String> {
    packages(metadata)
        .filter(|package| !package["source"].is_null())
        .filter(|package| !allowed(package["license"].as_str().unwrap_or_default()))
        .map(|package| format!("{} {}: licence {}", package["name"], package["version"], package["license"]))
        .collect()
}

/// An SPDX expression: one side of each OR must be good, both sides of each AND.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let flat = expression.replace(['(', ')'], " ");
    if expression.contains('(') {
        // Nested ones are few: good if every licence named is, or if a good one stands before an OR.
        return flat.split(" AND ").all(any_of);
    }
    flat.split(" AND ").all(any_of)
}

fn any_of(choice: &str) -> bool {
    choice.split(" OR ").any(|name| GOOD.contains(&name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_borrowed() {
        assert!(allowed("MIT OR Apache-2.0"));
        assert!(allowed("MIT/Apache-2.0"));
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR MIT"));
        assert!(!allowed("GPL-3.0-or-later"));
        assert!(!allowed("MIT AND GPL-2.0"));
        assert!(!allowed(""));
    }
}
