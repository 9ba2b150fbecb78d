//! Chores of the house: `cargo xtask tidy` and `cargo xtask results`.

mod arrows;
mod licences;
mod manifests;
mod results;
mod sizes;
mod tree;

use std::process::ExitCode;

fn main() -> ExitCode {
    let chore = std::env::args().nth(1).unwrap_or_default();
    let complaints = match chore.as_str() {
        "tidy" => tidy(),
        "results" => results::write().err().into_iter().collect(),
        _ => vec!["say `cargo xtask tidy` (arrows, manifests, sizes, licences) or `cargo xtask results` (benches/RESULTS.md)".into()],
    };
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tidy() -> Vec<String> {
    let metadata = match tree::metadata() {
        Ok(metadata) => metadata,
        Err(problem) => return vec![problem],
    };
    let mut complaints = arrows::check(&metadata);
    complaints.extend(manifests::check(&metadata));
    complaints.extend(licences::check(&metadata));
    complaints.extend(sizes::check());
    if complaints.is_empty() {
        println!("tidy: arrows, manifests, sizes and licences are as they should be");
    }
    complaints
}
