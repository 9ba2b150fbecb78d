//! `rtp.relay_packet`: what it costs to bring a packet of a call from one phone to the other, beside rtpengine in
//! userspace and beside a forwarder that does nothing else.
//!
//! All three get the same calls from the same generator: two legs each, 50 packets a second and leg, evenly
//! spaced in time, on ports of their own. Counted is the processor time of the server's threads (by the
//! scheduler's account), and the time that the whole machine was not idle, less the generator's. All run at
//! real-time priority where that is allowed: what else a shared machine does must not make packets wait, since
//! packets that waited are cheaper by the batch.

mod bencode;
mod floor;
mod generator;
mod load;
mod meter;
mod ours;
mod peer;
mod plan;

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Trouble;
use crate::row::{Row, Rows};

pub(crate) use floor::forward;
pub(crate) use generator::generate;
pub(crate) use load::Player;
pub(crate) use meter::resident;
pub(crate) use ours::{supervise, work};
pub(crate) use plan::{Gap, Locals, Outcome, Remotes};

use load::{Figures, Load};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Ours,
    Rtpengine,
    Floor,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Calls at the load of the row; by default nine tenths of what the slower one can carry.
    #[arg(long)]
    calls: Option<u32>,
}

/// The most calls that are offered when the limit is sought.
const MOST: u32 = 1_400;
/// The fewest.
const FEWEST: u32 = 500;
const STEP: u32 = 150;
/// Whoever delivers one packet in a hundred later than the next one is due has too much to do, milliseconds.
const LATE: f64 = 20.0;
/// The load that figures elsewhere are given for.
const USUAL: u32 = 500;

/// Says that this process is urgent already.
const URGENT: &str = "STROWGER_BENCHES_URGENT";
/// What makes a command urgent.
const CHRT: [&str; 3] = ["chrt", "-r", "10"];

/// Whether a command may be urgent.
fn may_be_urgent() -> bool {
    let tried = Command::new(CHRT[0]).args(&CHRT[1..]).arg("true").stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// This program again with the same arguments at real-time priority, if that is allowed. Its result, once it has
/// run; `None` if this process should go on itself.
pub(crate) fn urgently() -> Option<Result<(), Trouble>> {
    if std::env::var_os(URGENT).is_some() || !may_be_urgent() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let again = Command::new(CHRT[0])
        .args(&CHRT[1..])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(URGENT, "1")
        .status();
    Some(match again {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the urgent measurement ended with {status}").into()),
        Err(error) => Err(error.into()),
    })
}

/// Measures, and writes the rows.
pub(crate) fn measure(options: Options, rows: &mut Rows) -> Result<(), Trouble> {
    let calls = match options.calls {
        Some(calls) => calls,
        None => saturation()? * 9 / 10,
    };
    println!("rtp: the row at {calls} calls, the light one at {}", calls / 9);
    for (suffix, calls) in [("", calls), (".light", calls / 9), (".500_calls", USUAL)] {
        let load = Load { calls, span: Duration::from_secs(options.seconds) };
        let figures = compare(load, options.rounds)?;
        write(rows, suffix, calls, &figures)?;
    }
    Ok(())
}

/// How many calls the slower of us and the peer carries before packets are lost or late.
fn saturation() -> Result<u32, Trouble> {
    let mut carried = FEWEST;
    for calls in (FEWEST..=MOST).step_by(STEP as usize) {
        for server in [Server::Rtpengine, Server::Ours] {
            let figures = load::run(server, Load { calls, span: Duration::from_secs(2) })?;
            println!(
                "rtp: {server:?} with {calls} calls loses {:.2} %, 99 of 100 packets take under {:.2} ms",
                figures.lost * 100.0,
                figures.delay.1,
            );
            if figures.lost > 0.005 || figures.delay.1 > LATE || figures.behind {
                return Ok(carried);
            }
        }
        carried = calls;
    }
    Ok(carried)
}

struct Compared {
    ours: Figures,
    peer: Figures,
    floor: Figures,
}

/// In turn, so that what else the machine does meets all alike.
fn compare(load: Load, rounds: usize) -> Result<Compared, Trouble> {
    let (mut ours, mut peer, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        ours.push(load::run(Server::Ours, load)?);
        peer.push(load::run(Server::Rtpengine, load)?);
        floor.push(load::run(Server::Floor, load)?);
    }
    Ok(Compared {
        ours: Figures::median(&ours),
        peer: Figures::median(&peer),
        floor: Figures::median(&floor),
    })
}

fn write(rows: &mut Rows, suffix: &str, calls: u32, figures: &Compared) -> Result<(), Trouble> {
    let Compared { ours, peer, floor } = figures;
    let note = |what: &str| {
        format!(
            "{what}; {calls} calls of two legs, 50 packets/s each, on ports of their own, evenly spaced; added delay \
             p50/p99: ours {:.2}/{:.2} ms, peer {:.2}/{:.2}, floor {:.2}/{:.2}; lost: ours {:.3} %, peer {:.3} %",
            ours.delay.0,
            ours.delay.1,
            peer.delay.0,
            peer.delay.1,
            floor.delay.0,
            floor.delay.1,
            ours.lost * 100.0,
            peer.lost * 100.0,
        )
    };
    let met = ours.process <= 0.6 * peer.process && ours.process <= 1.25 * floor.process;
    rows.put(Row {
        ours: Some(ours.process),
        peer: Some(peer.process),
        floor: Some(floor.process),
        note: note("processor time of the server's processes a packet"),
        ..Row::new(&format!("rtp.relay_packet{suffix}"), "µs")
            .goal("at most 0.6 of rtpengine, within 1.25 of the floor", Some(met))
    })?;
    if let (Some(_), Some(_), Some(_)) = (ours.machine, peer.machine, floor.machine) {
        rows.put(Row {
            ours: ours.machine,
            peer: peer.machine,
            floor: floor.machine,
            note: note(
                "the whole machine's time that is not idle, less the generator's and what it does alone, a packet",
            ),
            ..Row::new(&format!("rtp.relay_packet_machine{suffix}"), "µs")
        })?;
    } else {
        println!("rtp: the machine is busy with something else, so as a whole it tells nothing");
    }
    if !suffix.is_empty() {
        return Ok(());
    }
    rows.put(Row {
        ours: Some(ours.memory),
        peer: Some(peer.memory),
        note: format!("resident memory of the media processes a call: {calls} calls with sound, less none"),
        ..Row::new("memory.media_call", "kB")
    })
}
