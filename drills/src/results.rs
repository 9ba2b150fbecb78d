//! Rows of `drills/results.json`: one for each kind of fault, over all its parts.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Trouble;
use crate::degrade::Degraded;
use crate::fault::Fault;
use crate::part::Part;

/// A kind of fault, and what it cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The fault, as in `kill.process.media`.
    pub(crate) name: String,
    /// How often it struck.
    pub(crate) faults: usize,
    /// Calls that missed their planned outcome, had no sound for over two seconds, or were refused, of `calls_made`.
    pub(crate) calls_lost: usize,
    /// Calls without a record, of those that began.
    pub(crate) records_missing: usize,
    /// Calls with several.
    pub(crate) records_doubled: usize,
    /// The longest silence of a call, less the time of a packet: the median over all calls and faults,
    pub(crate) gap_p50_ms: f64,
    /// the 99th percentile,
    pub(crate) gap_p99_ms: f64,
    /// and the worst.
    pub(crate) gap_max_ms: f64,
    /// What may be heard at the 99th percentile.
    pub(crate) goal_p99_ms: f64,
    /// What the platform said without protection.
    pub(crate) unprotected: f64,
    /// Requests of phones without a final answer.
    pub(crate) unanswered: usize,
    /// Lost calls that were refused with 503 before they began (those have no record).
    #[serde(default)]
    pub(crate) shed: usize,
    /// Calls kept up.
    pub(crate) calls: usize,
    /// New ones in a second.
    pub(crate) rate: f64,
    /// All calls there were.
    pub(crate) calls_made: usize,
    /// The fewest calls that were answered when a fault struck.
    pub(crate) least_up: usize,
    /// The fewest in any passing state.
    pub(crate) least_passing: usize,
    /// What the random moments follow from.
    pub(crate) seeds: Vec<u64>,
    /// The highest load of the machine when a part began (`/proc/loadavg`), most of it somebody else's.
    #[serde(default)]
    pub(crate) load_average: f64,
    /// Processors of the machine.
    pub(crate) processors: usize,
}

impl Row {
    /// The row of these parts, which are all of one name; none without a part.
    pub(crate) fn of(parts: &[&Part], goal_p99_ms: f64) -> Option<Row> {
        let first = parts.first()?;
        let sum = |count: fn(&Part) -> usize| parts.iter().map(|part| count(part)).sum();
        let struck = parts.iter().flat_map(|part| &part.faults);
        let mut gaps: Vec<f64> =
            struck.flat_map(|struck| struck.silences.iter().map(|(_, long)| *long)).collect();
        gaps.sort_by(f64::total_cmp);
        Some(Row {
            name: first.name.clone(),
            faults: sum(|part| part.faults.len()),
            calls_lost: sum(|part| part.lost.len()),
            records_missing: sum(|part| part.records_missing),
            records_doubled: sum(|part| part.records_doubled),
            gap_p50_ms: percentile(&gaps, 0.5),
            gap_p99_ms: percentile(&gaps, 0.99),
            gap_max_ms: percentile(&gaps, 1.0),
            goal_p99_ms,
            unprotected: parts.iter().map(|part| part.unprotected).sum(),
            unanswered: sum(|part| part.unanswered),
            shed: sum(|part| part.shed),
            calls: first.calls,
            rate: first.rate,
            calls_made: sum(|part| part.attempts),
            least_up: parts.iter().map(|part| part.up).min().unwrap_or(0),
            least_passing: parts.iter().flat_map(|part| part.passing).min().unwrap_or(0),
            seeds: parts.iter().map(|part| part.seed).collect(),
            load_average: parts.iter().map(|part| part.load_average).fold(0.0, f64::max),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
        })
    }

    /// Whether nothing was lost.
    pub(crate) fn is_whole(&self) -> bool {
        self.calls_lost + self.records_missing + self.records_doubled == 0
    }

    /// Whether it was heard as little as it should be.
    pub(crate) fn is_quiet(&self) -> bool {
        self.gap_p99_ms < self.goal_p99_ms
    }
}

/// The value that the share `at` of `sorted` does not exceed; 0 of nothing.
fn percentile(sorted: &[f64], at: f64) -> f64 {
    let place = (sorted.len() as f64 * at).ceil() as usize;
    sorted.get(place.max(1) - 1).copied().unwrap_or(0.0)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.is_whole(), self.is_quiet()) {
            (true, true) => "met",
            (true, false) => "heard for too long",
            (false, _) => "lost",
        };
        write!(
            f,
            "{}: {} faults, {} of {} calls lost ({} shed), records {} missing {} doubled, {} requests unanswered, \
             {} unprotected; silence {:.1} / {:.1} / {:.1} ms (goal {} ms at the 99th percentile): {verdict}",
            self.name,
            self.faults,
            self.calls_lost,
            self.calls_made,
            self.shed,
            self.records_missing,
            self.records_doubled,
            self.unanswered,
            self.unprotected,
            self.gap_p50_ms,
            self.gap_p99_ms,
            self.gap_max_ms,
            self.goal_p99_ms,
        )
    }
}

/// The rows of all parts, in the order of the kinds.
pub(crate) fn rows(parts: &[Part], kinds: &[Fault]) -> Vec<Row> {
    let row = |fault: &Fault| {
        let own: Vec<&Part> = parts.iter().filter(|part| part.name == fault.name()).collect();
        Row::of(&own, fault.goal_ms())
    };
    kinds.iter().filter_map(row).collect()
}

/// A row of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Fault(Box<Row>),
    Path(Box<Degraded>),
}

fn lines(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// The rows of a file; none if there is none that can be read.
pub(crate) fn read(path: &Path) -> Vec<Row> {
    let row = |line| match line {
        Line::Fault(row) => Some(*row),
        Line::Path(_) => None,
    };
    lines(path).into_iter().filter_map(row).collect()
}

/// `rows`, and of `others` those that `rows` say nothing of, in the order of the kinds.
pub(crate) fn with_others(mut rows: Vec<Row>, mut others: Vec<Row>) -> Vec<Row> {
    others.retain(|other| rows.iter().all(|row| row.name != other.name));
    rows.append(&mut others);
    let kinds: Vec<String> = Fault::all().map(Fault::name).collect();
    let place = |row: &Row| kinds.iter().position(|kind| *kind == row.name);
    rows.retain(|row| place(row).is_some());
    rows.sort_by_key(place);
    rows
}

/// Writes the rows, each on lines of its own; that of the path which got worse stays.
pub(crate) fn write(path: &Path, rows: &[Row]) -> Result<(), Trouble> {
    let rows = rows.iter().map(|row| Line::Fault(Box::new(row.clone())));
    let stays = lines(path).into_iter().filter(|line| matches!(line, Line::Path(_)));
    write_all(path, &rows.chain(stays).collect::<Vec<_>>())
}

/// Writes the row of the path which got worse; the others stay.
pub(crate) fn write_path(path: &Path, row: Degraded) -> Result<(), Trouble> {
    let others = lines(path).into_iter().filter(|line| !matches!(line, Line::Path(_)));
    write_all(path, &others.chain([Line::Path(Box::new(row))]).collect::<Vec<_>>())
}

fn write_all(path: &Path, lines: &[Line]) -> Result<(), Trouble> {
    let text = serde_json::to_string_pretty(lines).map_err(|error| Trouble::new(error.to_string()))?;
    std::fs::write(path, text + "\n").map_err(|error| Trouble::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let all: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|at| percentile(&all, at)), [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
