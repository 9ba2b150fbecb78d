//! `cost.call.*` and `cost.register.*`: what a call and a REGISTER cost with the journal alone, with the bus between
//! hosts, with a buddy on another host, and with PostgreSQL.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::calls::{PAIRS, ready, setup};
use super::compare::{Ramp, saturation};
use super::drive::Load;
use super::rig::{Figures, Rig, median};
use super::{Options, registers};
use crate::Trouble;
use crate::cpu::{APART, Used};
use crate::hosts::{Hosts, Shape};
use crate::platform::{Platform, Serves, Setup};
use crate::row::{Row, Rows};

/// How long a call lasts.
const HOLD: Duration = Duration::from_secs(1);
/// So much of what the weakest carries is offered to all.
const SHARE: f64 = 0.6;
/// So much of a measurement's time is spent on looking at what the platform uses at rest.
const REST: u32 = 2;
/// At which phones are challenged first.
const PEACE: f64 = 500.0;

const JOURNAL: &str = "journal";
const NATS: &str = "nats";
const BUDDY: &str = "buddy";
const POSTGRES: &str = "nats_postgres";

/// What one unit costs, without what is used at rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// All our processes, microseconds.
    pub(super) all: f64,
    /// Each of our hosts, then each of what they work with.
    pub(super) apart: [f64; APART],
    /// Of all our processes, if nothing is offered: milliseconds a second.
    pub(super) at_rest: f64,
    pub(super) figures: Figures,
}

/// Measures all rigs in turn at `rate`, at rest and under load.
pub(super) fn costs<L: Load>(
    rigs: &mut [Rig<L>],
    rate: f64,
    options: &Options,
) -> Result<Vec<Cost>, Trouble> {
    let mut all = vec![(Vec::new(), Vec::new()); rigs.len()];
    for _ in 0..options.rounds.max(1) {
        for (rig, (rests, figures)) in rigs.iter_mut().zip(&mut all) {
            rig.settle(Duration::from_secs(2))?;
            rests.push(rig.rest(options.span() / REST)?);
            figures.push(rig.measure(rate, options.span())?);
        }
    }
    Ok(all.iter().map(|(rests, figures)| cost(rests, figures)).collect())
}

fn cost(rests: &[Used], figures: &[Figures]) -> Cost {
    let a_second = |of: &dyn Fn(&Used) -> Duration| {
        median(rests.iter().map(|rest| of(rest).as_secs_f64() / rest.span.as_secs_f64()))
    };
    let figures = Figures::median(figures);
    // What does nothing for it may come out a little below nothing.
    let less = |figure: f64, rest: f64| (figure - rest * 1e6 / figures.rate.max(1.0)).max(0.0);
    let at_rest = a_second(&|rest| rest.server);
    Cost {
        all: less(figures.process, at_rest),
        apart: std::array::from_fn(|at| less(figures.apart[at], a_second(&|rest| rest.apart[at]))),
        at_rest: at_rest * 1e3,
        figures,
    }
}

/// The platforms that are compared.
struct Platforms {
    journal: Platform,
    nats: Hosts,
    buddy: Hosts,
    postgres: Hosts,
}

impl Platforms {
    fn start(binary: &Path) -> Result<Self, Trouble> {
        let setup = Setup { micros_per_minute: 10_000, ..setup(1, 10, true) };
        let shape = Shape { net: 11, exchanges: 0, spare: false, postgres: false };
        let alone = Setup { ip: Ipv4Addr::new(127, 0, 10, 1), ..setup.clone() };
        Ok(Platforms {
            journal: Platform::start(binary, alone)?,
            nats: Hosts::start(binary, shape, &setup)?,
            buddy: Hosts::start(binary, Shape { net: 12, spare: true, ..shape }, &setup)?,
            postgres: Hosts::start(binary, Shape { net: 13, postgres: true, ..shape }, &setup)?,
        })
    }
}

/// Measures, and writes the rows.
pub(crate) fn measure(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let platforms = Platforms::start(binary)?;
    calls(&platforms, options, rows)?;
    registrations(&platforms, options, rows)
}

fn calls(platforms: &Platforms, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let Platforms { journal, nats, buddy, postgres } = platforms;
    let mut rigs = [ready(journal, HOLD)?, ready(nats, HOLD)?, ready(buddy, HOLD)?, ready(postgres, HOLD)?];
    let unit =
        "a call of one second from INVITE to BYE without media, with a price, as in sip.call_with_tariff";
    write("cost.call", unit, Ramp { first: 200.0, most: 6_000.0 }, &mut rigs, options, rows)
}

fn registrations(platforms: &Platforms, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let Platforms { journal, nats, buddy, postgres } = platforms;
    let rig = |on: &dyn Serves| registers::rig("", on.address(), on.whose(), 0..PAIRS);
    let mut rigs = [rig(journal)?, rig(nats)?, rig(buddy)?, rig(postgres)?];
    for rig in &mut rigs {
        rig.prepare(u64::from(PAIRS), PEACE)?;
    }
    let unit = "a REGISTER with digest and a nonce used again, that refreshes one of 1,000 bindings";
    write("cost.register", unit, Ramp { first: 2_000.0, most: 60_000.0 }, &mut rigs, options, rows)
}

fn write<L: Load>(
    name: &str,
    unit: &str,
    ramp: Ramp,
    rigs: &mut [Rig<L>; 4],
    options: &Options,
    rows: &mut Rows,
) -> Result<(), Trouble> {
    for (rig, name) in rigs.iter_mut().zip([JOURNAL, NATS, BUDDY, POSTGRES]) {
        rig.name = name;
    }
    let rate = match options.rate {
        Some(rate) => rate,
        None => SHARE * saturation(rigs, ramp)?,
    };
    let costs = costs(rigs, rate, options)?;
    let [journal, nats, buddy, postgres] = costs[..] else { return Ok(()) };
    let note = |what: &str, cost: &Cost| {
        format!(
            "{unit}: {what}; {rate:.0} a second offered to each in turn, medians; processor time less what the same \
             processes use at rest ({:.1} ms a second); missing {:.2} %; delay p50/p99 {:.2}/{:.2} ms",
            cost.at_rest,
            cost.figures.missing * 100.0,
            cost.figures.delay.0,
            cost.figures.delay.1
        )
    };
    let owner = format!(
        "with the bus between hosts, and a second host that follows: it has each change before the world does; both hosts \
         together, {:.1} the owner and {:.1} the buddy",
        buddy.apart[0], buddy.apart[1]
    );
    let told = [
        ("journal", journal.all, note("one host alone, its journal, its store in a file", &journal)),
        ("nats", nats.all, note("with the bus between hosts: events and records in its streams", &nats)),
        ("buddy", buddy.all, note(&owner, &buddy)),
        ("buddy.owner", buddy.apart[0], note("the owner alone of those two hosts", &buddy)),
        (
            "nats_postgres",
            postgres.all,
            note("with the bus between hosts, and the store in PostgreSQL", &postgres),
        ),
        ("nats_postgres.nats", postgres.apart[1], note("the NATS server alone", &postgres)),
        ("nats_postgres.postgres", postgres.apart[2], note("PostgreSQL alone", &postgres)),
    ];
    for (part, ours, note) in told {
        let row = Row { ours: Some(ours), note, ..Row::new(&format!("{name}.{part}"), "µs") };
        if options.alone {
            println!("{row}");
        } else {
            rows.put(row)?;
        }
    }
    Ok(())
}
