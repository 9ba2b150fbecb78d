//! `sip.parse_type_write`: one INVITE parsed, typed, rewritten and written, ours and rsip, each by its own program.

use std::process::Command;

use super::Options;
use crate::Trouble;
use crate::row::{Row, Rows};

/// Measures, and writes the row.
pub(crate) fn measure(options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    let mut words = String::new();
    for _ in 0..options.rounds.max(1) {
        let output =
            run(&["bench", "--quiet", "--locked", "-p", "strowger-sip", "--bench", "parse_type_write"])?;
        ours.push(figure(&output, "ours")?);
        words = output;
        let manifest = "benches/peers/sip-parse/Cargo.toml";
        peer.push(figure(
            &run(&["run", "--quiet", "--release", "--locked", "--manifest-path", manifest])?,
            "peer",
        )?);
    }
    let (ours, peer) = (median(ours), median(peer));
    let allocations = allocations(&words).ok_or("the bench does not tell its allocations")?;
    rows.put(Row {
        ours: Some(ours),
        peer: Some(peer),
        note: format!(
            "one INVITE of 1.2 kB parsed, seven headers typed, two rewritten, written; the peer is rsip; {allocations} allocations \
             of ours; processor time, medians"
        ),
        ..Row::new("sip.parse_type_write", "ns")
            .goal("under 500 ns, no allocation", Some(ours < 500.0 && allocations == 0))
    })
}

fn run(arguments: &[&str]) -> Result<String, Trouble> {
    let output = Command::new("cargo").args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What the last line, which is JSON, says.
fn figure(output: &str, key: &str) -> Result<f64, Trouble> {
    let last = output.lines().last().unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(last)?;
    value[key].as_f64().ok_or_else(|| format!("no {key:?} in {last}").into())
}

/// What the line of the whole way says.
fn allocations(output: &str) -> Option<u64> {
    let line = output.lines().find(|line| line.starts_with("parse+type+write"))?;
    line.rsplit_once("allocations ")?.1.trim().parse().ok()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_programs_print_is_read() {
        let output = "parse+type+write   best    300 ns  median    311 ns  allocations 0\n{\"ours\":311}\n";
        assert_eq!(allocations(output), Some(0));
        assert!((figure(output, "ours").unwrap() - 311.0).abs() < 0.1);
    }
}
