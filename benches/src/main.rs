//! Load generators and measurements, side by side with the peers: what `make bench` runs.
//!
//! Each measurement writes rows into `benches/results.json`, from which `cargo xtask results` makes
//! `benches/RESULTS.md`.

mod billing;
mod bindings;
mod child;
mod cpu;
mod hosts;
mod kamailio;
mod machine;
mod platform;
mod postgres;
mod row;
mod rtp;
mod sip;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the platform beside its peers; the repository is the current folder.
#[derive(Debug, Parser)]
#[command(name = "strowger-benches", disable_help_subcommand = true)]
struct Cli {
    /// The platform's binary.
    #[arg(long, global = true, default_value = "target/release/strowger")]
    binary: PathBuf,
    /// Where the rows go.
    #[arg(long, global = true, default_value = "benches/results.json")]
    results: PathBuf,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The rows there are.
    Rows,
    /// A REGISTER, beside Kamailio.
    SipRegister(sip::Options),
    /// A call without media, beside Kamailio.
    SipCall(sip::Options),
    /// What is left of the capacity when twice as many calls are offered.
    Overload(sip::Options),
    /// What a contact and a call hold of memory.
    SipMemory(sip::Options),
    /// What a call costs with two signalling threads, over one.
    Shards(sip::Options),
    /// What a call and a REGISTER cost with the journal, a buddy, NATS and PostgreSQL.
    Cost(sip::Options),
    /// What a call costs with one, two, four and eight exchanges.
    Scale(sip::Options),
    /// A million reservations, renewals and settlements, on SQLite and on PostgreSQL.
    Billing(billing::Options),
    /// Eight million bindings in one process.
    Bindings(bindings::Options),
    /// One INVITE, beside rsip.
    SipParse(sip::Options),
    /// A relayed packet, beside rtpengine and a bare forwarder.
    Rtp(rtp::Options),
    /// Silence when the signalling or the media worker is killed.
    Kill(sip::Kills),
    /// Plays the phones of so many legs.
    #[command(hide = true)]
    RtpGenerate { legs: usize },
    /// The bare forwarder.
    #[command(hide = true)]
    RtpFloor { legs: usize },
    /// The media role alone, with ports for so many legs.
    #[command(hide = true)]
    MediaAlone { folder: PathBuf, legs: u16 },
    /// Its worker.
    #[command(hide = true)]
    MediaWorker { folder: PathBuf },
}

/// What stopped a measurement.
type Trouble = Box<dyn std::error::Error>;

fn run(cli: &Cli) -> Result<(), Trouble> {
    match &cli.bench {
        Bench::Rows => row::Rows::read(&cli.results)?.iter().for_each(|row| println!("{row}")),
        Bench::SipRegister(options) => {
            sip::register(&cli.binary, options, &mut row::Rows::read(&cli.results)?)?
        }
        Bench::SipCall(options) => sip::call(&cli.binary, options, &mut row::Rows::read(&cli.results)?)?,
        Bench::Overload(options) => sip::overload(&cli.binary, options, &mut row::Rows::read(&cli.results)?)?,
        Bench::SipMemory(options) => sip::memory(&cli.binary, options, &mut row::Rows::read(&cli.results)?)?,
        Bench::Shards(options) => sip::shards(&cli.binary, options, &mut row::Rows::read(&cli.results)?)?,
        Bench::Cost(options) => sip::cost(&cli.binary, options, &mut row::Rows::read(&cli.results)?)?,
        Bench::Scale(options) => sip::scale(&cli.binary, options, &mut row::Rows::read(&cli.results)?)?,
        Bench::Billing(options) => billing::measure(options, &mut row::Rows::read(&cli.results)?)?,
        Bench::Bindings(options) => bindings::measure(options, &mut row::Rows::read(&cli.results)?)?,
        Bench::SipParse(options) => sip::parse(options, &mut row::Rows::read(&cli.results)?)?,
        Bench::Rtp(options) => match rtp::urgently() {
            Some(done) => done?,
            None => rtp::measure(*options, &mut row::Rows::read(&cli.results)?)?,
        },
        Bench::Kill(kills) => sip::kill(&cli.binary, kills, &mut row::Rows::read(&cli.results)?)?,
        Bench::RtpGenerate { legs } => rtp::generate(*legs)?,
        Bench::RtpFloor { legs } => rtp::forward(*legs)?,
        Bench::MediaAlone { folder, legs } => rtp::supervise(folder, *legs)?,
        Bench::MediaWorker { folder } => rtp::work(folder)?,
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("strowger-benches: {trouble}");
            ExitCode::FAILURE
        }
    }
}
