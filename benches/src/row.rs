//! Rows of `benches/results.json`; a new one replaces the old one of the same name.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Trouble;

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What was measured, as in `sip.call.light`.
    pub(crate) name: String,
    /// The unit of the figures, smaller being better unless the goal says otherwise.
    pub(crate) unit: String,
    pub(crate) ours: Option<f64>,
    pub(crate) peer: Option<f64>,
    /// What a program that does nothing else would need.
    pub(crate) floor: Option<f64>,
    /// The goal in words.
    pub(crate) goal: Option<String>,
    /// Whether the goal is met.
    pub(crate) met: Option<bool>,
    /// The day, as in 2026-11-21.
    pub(crate) date: String,
    /// Processors and their number.
    pub(crate) machine: String,
    /// What is counted, at which load, and what else one should know.
    pub(crate) note: String,
}

impl Row {
    /// A row of today on this machine, without figures.
    pub(crate) fn new(name: &str, unit: &str) -> Self {
        Row {
            name: name.to_owned(),
            unit: unit.to_owned(),
            ours: None,
            peer: None,
            floor: None,
            goal: None,
            met: None,
            date: crate::machine::today(),
            machine: crate::machine::describe(),
            note: String::new(),
        }
    }

    /// States the goal and whether it is met.
    #[must_use]
    pub(crate) fn goal(mut self, goal: &str, met: Option<bool>) -> Self {
        self.goal = Some(goal.to_owned());
        self.met = met;
        self
    }

    /// Our figure over the peer's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let peer = self.peer.filter(|&peer| peer > 0.0)?;
        Some(self.ours? / peer)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        write!(f, "{:32} ours {:>10} peer {:>10}", self.name, figure(self.ours), figure(self.peer))?;
        write!(f, " floor {:>8} {}, ratio {}", figure(self.floor), self.unit, figure(self.ratio()))?;
        match (&self.goal, self.met) {
            (Some(goal), Some(met)) => write!(f, " ({goal}: {})", if met { "met" } else { "missed" }),
            _ => Ok(()),
        }
    }
}

/// The file of rows.
#[derive(Debug)]
pub(crate) struct Rows {
    path: PathBuf,
    rows: Vec<Row>,
}

impl Rows {
    /// Those written so far.
    pub(crate) fn read(path: &Path) -> Result<Self, Trouble> {
        let rows = match fs::read_to_string(path) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        };
        Ok(Rows { path: path.to_owned(), rows })
    }

    /// Replaces the row of the same name, or adds one, and writes the file.
    pub(crate) fn put(&mut self, row: Row) -> Result<(), Trouble> {
        println!("{row}");
        match self.rows.iter_mut().find(|known| known.name == row.name) {
            Some(known) => *known = row,
            None => self.rows.push(row),
        }
        self.rows.sort_by(|one, other| one.name.cmp(&other.name));
        let text = serde_json::to_string_pretty(&self.rows)?;
        fs::write(&self.path, text + "\n").map_err(|error| format!("{}: {error}", self.path.display()).into())
    }

    /// All, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_replaces_the_one_of_its_name() {
        let path = std::env::temp_dir().join(format!("strowger-rows-{}.json", std::process::id()));
        let mut rows = Rows::read(&path).unwrap();
        rows.put(Row { ours: Some(1.0), ..Row::new("sip.call", "µs") }).unwrap();
        rows.put(Row::new("memory.contact", "bytes")).unwrap();
        rows.put(Row { ours: Some(2.0), peer: Some(4.0), ..Row::new("sip.call", "µs") }).unwrap();
        let again = Rows::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(again.rows.len(), 2);
        assert_eq!(again.rows[1].ratio(), Some(0.5));
    }
}
