//! Makes `benches/RESULTS.md` from `benches/results.json`.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

const ROWS: &str = "benches/results.json";
const PAGE: &str = "benches/RESULTS.md";
const PREFACE: &str = "benches/PREFACE.md";

/// Writes the page anew.
pub(crate) fn write() -> Result<(), String> {
    let text = fs::read_to_string(ROWS).map_err(|error| format!("{ROWS}: {error}"))?;
    let rows: Value = serde_json::from_str(&text).map_err(|error| format!("{ROWS}: {error}"))?;
    let rows = rows.as_array().ok_or_else(|| format!("{ROWS}: expected a list of rows"))?;
    let preface = fs::read_to_string(PREFACE).unwrap_or_default();
    fs::write(PAGE, page(&preface, rows)).map_err(|error| format!("{PAGE}: {error}"))
}

fn page(preface: &str, rows: &[Value]) -> String {
    let mut page = String::from("# Measured, side by side\n\n");
    page.push_str(preface.trim());
    page.push_str("\n\n| what | unit | ours | peer | ours / peer | floor | goal | met | date | machine |\n");
    page.push_str("|---|---|---:|---:|---:|---:|---|---|---|---|\n");
    for row in rows {
        let cell = |name: &str| match &row[name] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), short),
            other => other.to_string(),
        };
        let ratio = match (row["ours"].as_f64(), row["peer"].as_f64()) {
            (Some(ours), Some(peer)) if peer != 0.0 => format!("{:.2}", ours / peer),
            _ => "-".to_owned(),
        };
        let met = match row["met"].as_bool() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {ratio} | {} | {} | {met} | {} | {} |",
            cell("name"),
            cell("unit"),
            cell("ours"),
            cell("peer"),
            cell("floor"),
            cell("goal"),
            cell("date"),
            cell("machine")
        );
    }
    page.push_str("\n## What each row counts\n\n");
    for row in rows {
        if let (Some(name), Some(note)) = (row["name"].as_str(), row["note"].as_str()) {
            let _ = writeln!(page, "- `{name}`: {note}.");
        }
    }
    page
}

fn short(number: f64) -> String {
    if number.abs() >= 100.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}
