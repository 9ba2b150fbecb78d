use serde::Serialize;

use crate::demand::{Demand, Unplannable};
use crate::erlang;
use crate::figures::Figures;
use crate::steps::{Step, Steps, short};

/// Around the sound in each packet: RTP 12, UDP 8, IPv4 20, Ethernet with its gap 38 bytes.
const AROUND_SOUND: f64 = 78.0;
/// SIP of one call, both legs: 14 messages of 700 bytes.
const SIP_OF_A_CALL: f64 = 14.0 * 700.0;
/// SIP of one REGISTER: it and its answer.
const SIP_OF_A_REGISTER: f64 = 2.0 * 600.0;
/// Of a hundred messages no more than one waits longer than is said.
const LATE: f64 = 0.01;
/// Messages of a call that wait for a thread.
const MESSAGES: f64 = 7.0;
/// A host that may die with nothing missing.
const SPARE: u64 = 1;
/// So many brokers agree if one is lost.
const BROKERS: u64 = 3;
/// So many bus servers agree if one is lost.
const BUS: u64 = 3;
/// A primary and who takes its place.
const STORE: u64 = 2;

/// What a demand needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// How many cells.
    pub cells: u64,
    /// So many of them may be away.
    pub cells_to_lose: u64,
    /// What each cell needs.
    pub cell: Cell,
    /// Hosts in all.
    pub hosts: u64,
    /// Processors in all.
    pub cores: f64,
    /// How each figure comes about.
    pub steps: Vec<Step>,
}

/// What each cell needs, when it carries its part of the cells that are away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Whom it must be able to serve.
    pub subscribers: f64,
    /// Hosts of edge, exchange, apps, billing and api.
    pub signalling: Pool,
    /// Hosts of media.
    pub media: Pool,
    /// Ports for legs of calls.
    pub legs: u64,
    /// Channels to other networks.
    pub trunks: u64,
    /// Of a hundred messages 99 wait no longer for a thread, milliseconds.
    pub longest_wait_ms: f64,
    /// Brokers, bus servers and servers of the store; small, and each on a host of another kind.
    pub brokers: u64,
    /// See `brokers`.
    pub bus_servers: u64,
    /// See `brokers`.
    pub store_servers: u64,
}

/// Hosts of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pool {
    /// How many, the spare one included.
    pub hosts: u64,
    /// Processors that are busy.
    pub busy_cores: f64,
    /// Memory, gigabytes.
    pub memory: f64,
    /// Gigabits a second, each way.
    pub network: f64,
    /// What there would be too little of first.
    pub bound_by: &'static str,
}

impl Plan {
    /// Works it out.
    pub fn of(demand: &Demand, figures: &Figures) -> Result<Self, Unplannable> {
        demand.check()?;
        let mut steps = Steps::default();
        let (cells, cells_to_lose, subscribers) = cells(demand, &mut steps);
        let cell = Cell::of(demand, figures, subscribers, &mut steps);
        let hosts = cells * (cell.signalling.hosts + cell.media.hosts);
        let sum = format!("{cells} x ({} + {})", cell.signalling.hosts, cell.media.hosts);
        steps.take("hosts in all", sum, hosts as f64, "hosts");
        let cores = hosts as f64 * demand.host.cores;
        steps.take("processors in all", format!("{hosts} x {}", short(demand.host.cores)), cores, "cores");
        Ok(Plan { cells, cells_to_lose, cell, hosts, cores, steps: steps.0 })
    }
}

/// How many cells, how many may be away, and whom each must then serve.
fn cells(demand: &Demand, steps: &mut Steps) -> (u64, u64, f64) {
    let full = (demand.subscribers / demand.cell).ceil();
    let lost = if full > 1.0 { 1.0 } else { 0.0 };
    let sum =
        format!("{} / {}, up, + {lost} that may be away", short(demand.subscribers), short(demand.cell));
    let cells = steps.take("cells", sum, full + lost, "cells");
    let sum = format!("{} / {full}", short(demand.subscribers));
    let subscribers = steps.take("a cell serves", sum, demand.subscribers / full, "subscribers");
    (cells as u64, lost as u64, subscribers)
}

impl Cell {
    fn of(demand: &Demand, figures: &Figures, subscribers: f64, steps: &mut Steps) -> Self {
        let share = subscribers / demand.subscribers;
        let attempts = demand.busy_hour_calls * share;
        let sum = format!("{} / 3600 s", short(attempts));
        let calls = steps.take("call attempts of a cell", sum, attempts / 3600.0, "calls/s");
        let contacts = subscribers * demand.contacts;
        let sum =
            format!("{} x {} / {} s", short(subscribers), short(demand.contacts), short(demand.refresh));
        let registers =
            steps.take("refreshes of registrations", sum, contacts / demand.refresh, "REGISTER/s");
        let held = demand.answered * demand.talk + demand.ringing;
        let sum = format!(
            "{} x ({} x {} s + {} s)",
            short(calls),
            short(demand.answered),
            short(demand.talk),
            short(demand.ringing)
        );
        let erlangs = steps.take("calls at a time", sum, calls * held, "erlang");
        let (legs, trunks) = places(demand, erlangs, steps);
        let (signalling, longest_wait_ms) =
            signalling(demand, figures, (calls, registers, contacts, erlangs), steps);
        let media = media(demand, figures, erlangs, steps);
        Cell {
            subscribers,
            signalling,
            media,
            legs,
            trunks,
            longest_wait_ms,
            brokers: BROKERS,
            bus_servers: BUS,
            store_servers: STORE,
        }
    }
}

/// Ports of media, and channels of trunks (Erlang B).
fn places(demand: &Demand, erlangs: f64, steps: &mut Steps) -> (u64, u64) {
    let share = short(demand.most_blocked * 100.0);
    let pairs = erlang::servers(erlangs, demand.most_blocked);
    let sum = format!("Erlang B: {} erlang, {share} % blocked; 2 legs a call", short(erlangs));
    let legs = steps.take("ports of media", sum, 2.0 * pairs as f64, "legs");
    let outside = erlangs * demand.off_net;
    let sum = format!("Erlang B: {} x {} erlang, {share} % blocked", short(erlangs), short(demand.off_net));
    let trunks = erlang::servers(outside, demand.most_blocked) as f64;
    steps.take("channels of trunks", sum, trunks, "channels");
    (legs as u64, trunks as u64)
}

fn signalling(
    demand: &Demand,
    figures: &Figures,
    (calls, registers, contacts, erlangs): (f64, f64, f64, f64),
    steps: &mut Steps,
) -> (Pool, f64) {
    let sum = format!(
        "({} x {} µs x {} + {} x {} µs)",
        short(calls),
        short(figures.call_us),
        short(figures.threads),
        short(registers),
        short(figures.register_us)
    );
    let of_calls = calls * figures.call_us * figures.threads;
    let busy = (of_calls + registers * figures.register_us) / 1e6;
    let busy_cores = steps.take("busy with signalling", sum, busy, "cores");
    let sum = format!(
        "2 x ({} x {} B + {} x {} kB): owner and buddy",
        short(contacts),
        short(figures.contact_bytes),
        short(erlangs),
        short(figures.call_kb)
    );
    let bytes = 2.0 * (contacts * figures.contact_bytes + erlangs * figures.call_kb * 1e3);
    let memory = steps.take("memory of bindings and calls", sum, bytes / 1e9, "GB");
    let bits = 8.0 * (calls * SIP_OF_A_CALL + registers * SIP_OF_A_REGISTER);
    let sum =
        format!("8 x ({} x {SIP_OF_A_CALL} B + {} x {SIP_OF_A_REGISTER} B)", short(calls), short(registers));
    let network = steps.take("bandwidth of SIP, both ways", sum, bits / 1e9, "Gbit/s");
    let pool = pool(demand, "signalling", (busy_cores, memory, network), steps);
    // The spare one is away.
    let threads = (pool.hosts - SPARE) * demand.host.cores as u64;
    let message = figures.call_us * figures.threads / MESSAGES / 1e3;
    let wait = erlang::longest_wait(busy_cores, threads.max(1), LATE).unwrap_or(f64::INFINITY) * message;
    let sum = format!(
        "Erlang C: {} erlang on {threads} threads, {} of 100 messages wait at all, {} ms a message",
        short(busy_cores),
        short(100.0 * erlang::waiting(busy_cores, threads.max(1))),
        short(message)
    );
    let wait = steps.take("99 of 100 messages wait at most", sum, wait, "ms");
    (pool, wait)
}

fn media(demand: &Demand, figures: &Figures, erlangs: f64, steps: &mut Steps) -> Pool {
    let sum = format!("{} calls x 2 phones x {} a second", short(erlangs), short(demand.packets));
    let packets = steps.take("packets of sound", sum, erlangs * 2.0 * demand.packets, "packets/s");
    let sum = format!("{} x {} µs", short(packets), short(figures.packet_us));
    let busy = steps.take("busy with media", sum, packets * figures.packet_us / 1e6, "cores");
    let sum = format!("8 x {} x ({} + {AROUND_SOUND} B)", short(packets), short(demand.payload));
    let bits = packets * 8.0 * (demand.payload + AROUND_SOUND);
    let network = steps.take("bandwidth of sound, each way", sum, bits / 1e9, "Gbit/s");
    let memory = erlangs * figures.call_kb / 1e6;
    pool(demand, "media", (busy, memory, network), steps)
}

/// As many hosts as the scarcest thing wants, and a spare one.
fn pool(demand: &Demand, what: &str, (busy, memory, network): (f64, f64, f64), steps: &mut Steps) -> Pool {
    let host = &demand.host;
    let wants = [
        ("processors", busy, host.cores),
        ("memory", memory, host.memory),
        ("network", network, host.network),
    ];
    let (mut bound_by, mut most) = ("processors", 0.0);
    let mut sum = (String::new(), 0.0, 0.0);
    for (of, need, has) in wants {
        let hosts = need / (has * host.usage);
        if hosts > most {
            (bound_by, most, sum) = (of, hosts, (of.to_owned(), need, has));
        }
    }
    let (of, need, has) = sum;
    let sum =
        format!("{of}: {} / ({} x {}), up, + {SPARE} spare", short(need), short(has), short(host.usage));
    let hosts = most.ceil().max(1.0) as u64 + SPARE;
    steps.take(&format!("{what} hosts of a cell"), sum, hosts as f64, "hosts");
    Pool { hosts, busy_cores: busy, memory, network, bound_by }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: Figures = Figures {
        call_us: 400.0,
        threads: 1.1,
        register_us: 12.0,
        packet_us: 5.0,
        contact_bytes: 360.0,
        call_kb: 7.0,
    };

    fn plan(demand: &Demand) -> Plan {
        Plan::of(demand, &FIGURES).expect("a plan")
    }

    #[test]
    fn eight_million_subscribers_get_cells_of_which_one_may_be_away() {
        let demand = Demand { subscribers: 8e6, busy_hour_calls: 8e6, ..Demand::default() };
        let plan = plan(&demand);
        assert_eq!((plan.cells, plan.cells_to_lose), (17, 1));
        assert_eq!(plan.cell.subscribers, 500_000.0);
        // 139 calls a second of 132 seconds.
        let erlangs = plan.steps.iter().find(|step| step.unit == "erlang").map(|step| step.value.round());
        assert_eq!(erlangs, Some(18_333.0));
        assert!(plan.cell.legs > 2 * 18_333 && plan.cell.legs < 2 * 18_900, "{}", plan.cell.legs);
        // 1.83 million packets a second keep 9.2 processors busy, and 3.5 Gbit/s.
        assert_eq!((plan.cell.media.hosts, plan.cell.media.bound_by), (2, "processors"));
        assert_eq!(plan.hosts, 17 * (plan.cell.signalling.hosts + 2));
    }

    #[test]
    fn a_small_operator_has_one_cell_and_a_spare_host_of_each_kind() {
        let plan = plan(&Demand { subscribers: 1000.0, busy_hour_calls: 800.0, ..Demand::default() });
        assert_eq!((plan.cells, plan.cells_to_lose), (1, 0));
        assert_eq!((plan.cell.signalling.hosts, plan.cell.media.hosts), (2, 2));
        assert!(plan.cell.longest_wait_ms < 1.0);
    }

    #[test]
    fn the_scarcest_thing_counts() {
        let mut demand = Demand { subscribers: 5e5, busy_hour_calls: 1e6, ..Demand::default() };
        demand.host.network = 1.0;
        assert_eq!(plan(&demand).cell.media.bound_by, "network");
    }

    #[test]
    fn more_calls_never_need_less() {
        let hosts = |calls: f64| plan(&Demand { busy_hour_calls: calls, ..Demand::default() }).hosts;
        let all = [0.0, 1e3, 1e5, 1e7, 1e8].map(hosts);
        assert!(all.is_sorted(), "{all:?}");
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        let refusal = |demand: Demand| Plan::of(&demand, &FIGURES).map(|_| ()).unwrap_err().to_string();
        let nobody = refusal(Demand { subscribers: 0.0, ..Demand::default() });
        assert_eq!(nobody, "subscribers must be more than 0, not 0");
        let odd = refusal(Demand { answered: f64::NAN, ..Demand::default() });
        assert_eq!(odd, "the answered share must be 0 to 1, not NaN");
    }
}
