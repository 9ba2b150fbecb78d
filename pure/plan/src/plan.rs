use serde::Serialize;

use crate::demand::{Demand, Unplannable};
use crate::erlang;
use crate::figures::{Across, Figures};
use crate::steps::{Step, Steps, short};
use crate::storm::Storm;

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
/// On a signalling host: supervisor and its standby, signalling, office, broker.
const OF_SIGNALLING: u64 = 5;
/// On a media host: supervisor and its standby, media, broker.
const OF_MEDIA: u64 = 4;
/// REGISTERs of a phone that registers anew: one that is challenged, and one with the answer.
const REGISTERS: f64 = 2.0;
/// A refusal costs less than a REGISTER that is served; it was not measured, so it counts as one.
const REFUSAL: f64 = 1.0 / REGISTERS;

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
    /// Our processes in all; those of NATS and PostgreSQL are not in it.
    pub processes: u64,
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
    /// Everybody registers anew at once.
    pub storm: Storm,
    /// After about so many seconds all are registered; none if refusals alone take all there is.
    pub storm_seconds: Option<f64>,
    /// Processors of the bus and of the store that are busy; none if that was not measured.
    pub servers: Option<Servers>,
    /// Brokers, bus servers and servers of the store; small, and each on a host of another kind.
    pub brokers: u64,
    /// See `brokers`.
    pub bus_servers: u64,
    /// See `brokers`.
    pub store_servers: u64,
}

/// Processors that are busy in servers that are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Servers {
    /// NATS.
    pub nats: f64,
    /// PostgreSQL.
    pub postgres: f64,
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
        let of_cell = cell.signalling.hosts * OF_SIGNALLING + cell.media.hosts * OF_MEDIA;
        let sum = format!(
            "{cells} x ({} x {OF_SIGNALLING} + {} x {OF_MEDIA}): supervisors, standbys, workers",
            cell.signalling.hosts, cell.media.hosts
        );
        let processes = steps.take("processes in all", sum, (cells * of_cell) as f64, "processes");
        let cores = hosts as f64 * demand.host.cores;
        steps.take("processors in all", format!("{hosts} x {}", short(demand.host.cores)), cores, "cores");
        Ok(Plan { cells, cells_to_lose, cell, hosts, processes: processes as u64, cores, steps: steps.0 })
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
        let costs = Costs::of(figures, steps);
        let (signalling, longest_wait_ms) =
            signalling(demand, figures, &costs, (calls, registers, contacts, erlangs), steps);
        let media = media(demand, figures, erlangs, steps);
        let servers = servers(figures, (calls, registers), steps);
        let (storm, storm_seconds) = storm(demand, figures, &costs, (contacts, &signalling), steps);
        Cell {
            subscribers,
            signalling,
            media,
            legs,
            trunks,
            longest_wait_ms,
            storm,
            storm_seconds,
            servers,
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

/// What a call and a REGISTER cost our own processes on several hosts, microseconds.
struct Costs {
    call: f64,
    register: f64,
}

impl Costs {
    fn of(figures: &Figures, steps: &mut Steps) -> Self {
        let scaled = figures.threads * figures.exchanges.unwrap_or(1.0);
        let factors = match figures.exchanges {
            Some(exchanges) => {
                format!(
                    "{} (threads) x {} (eight exchanges over one)",
                    short(figures.threads),
                    short(exchanges)
                )
            }
            None => format!("{} (threads; more exchanges: not measured)", short(figures.threads)),
        };
        let mut cost = |what: &str, alone: f64, across: Option<Across>| {
            let more = across.map(|across| across.buddy + across.servers);
            let sum = match across {
                Some(Across { buddy, servers, .. }) => format!(
                    "{} x {factors} + {} (buddy) + {} (bus and store on servers)",
                    short(alone),
                    short(buddy),
                    short(servers)
                ),
                None => {
                    format!("{} x {factors}; buddy, bus and store on servers: not measured, 0", short(alone))
                }
            };
            steps.take(what, sum, alone * scaled + more.unwrap_or_default(), "µs")
        };
        Costs {
            call: cost("a call costs", figures.call_us, figures.call_across),
            register: cost("a REGISTER costs", figures.register_us, figures.register_across),
        }
    }
}

fn signalling(
    demand: &Demand,
    figures: &Figures,
    costs: &Costs,
    (calls, registers, contacts, erlangs): (f64, f64, f64, f64),
    steps: &mut Steps,
) -> (Pool, f64) {
    let sum = format!(
        "{} x {} µs + {} x {} µs",
        short(calls),
        short(costs.call),
        short(registers),
        short(costs.register)
    );
    let busy = (calls * costs.call + registers * costs.register) / 1e6;
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
    let message = costs.call / MESSAGES / 1e3;
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

/// What is busy in the servers that are not ours.
fn servers(figures: &Figures, (calls, registers): (f64, f64), steps: &mut Steps) -> Option<Servers> {
    let (call, register) = (figures.call_across?, figures.register_across?);
    let mut busy = |what: &str, of: fn(&Across) -> f64| {
        let (call, register) = (of(&call), of(&register));
        let sum =
            format!("{} x {} µs + {} x {} µs", short(calls), short(call), short(registers), short(register));
        steps.take(what, sum, (calls * call + registers * register) / 1e6, "cores")
    };
    Some(Servers {
        nats: busy("busy in NATS servers", |across| across.nats),
        postgres: busy("busy in PostgreSQL", |across| across.postgres),
    })
}

/// Everybody registers anew: the cell was away, and comes back.
fn storm(
    demand: &Demand,
    figures: &Figures,
    costs: &Costs,
    (contacts, pool): (f64, &Pool),
    steps: &mut Steps,
) -> (Storm, Option<f64>) {
    let sum = format!("{} phones within {} s", short(contacts), short(demand.retry));
    steps.take("registrations after an outage", sum, contacts / demand.retry, "a second");
    let cores = (pool.hosts - SPARE) as f64 * demand.host.cores;
    let free = (cores - pool.busy_cores).max(0.0);
    let sum = format!(
        "({} cores - {} busy) x {} (goodput) / ({REGISTERS} x {} µs)",
        short(cores),
        short(pool.busy_cores),
        short(figures.goodput),
        short(costs.register)
    );
    let carried = free * figures.goodput * 1e6 / (REGISTERS * costs.register);
    let carried = steps.take("of which can be carried", sum, carried, "a second");
    let storm = Storm {
        phones: contacts,
        within: demand.retry,
        carried,
        refusal: REFUSAL,
        retry_after: demand.retry_after,
    };
    let (played, seconds) = (storm.play(), storm.seconds());
    let sum = match played.seconds {
        Some(played_seconds) => format!(
            "refused with Retry-After {} to {} s; the model, second by second: {} s, {} refused",
            short(storm.retry_after),
            short(2.0 * storm.retry_after),
            short(played_seconds),
            short(played.refused.round())
        ),
        None => "refusals alone take all there is: more hosts, or a longer retry_after".to_owned(),
    };
    steps.take("all are registered after about", sum, seconds.unwrap_or(f64::INFINITY), "s");
    (storm, seconds)
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
    let used = |hosts: u64| 100.0 * most * host.usage / hosts as f64;
    let sum = format!(
        "{} % with all hosts, {} % without one: {bound_by}",
        short(used(hosts)),
        short(used(hosts - SPARE))
    );
    steps.take(&format!("{what}: left when one is away"), sum, 100.0 - used(hosts - SPARE), "%");
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
        goodput: 1.0,
        exchanges: None,
        call_across: None,
        register_across: None,
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
    fn what_several_hosts_cost_more_counts_if_it_was_measured() {
        let demand = Demand { subscribers: 5e5, busy_hour_calls: 3.6e6, ..Demand::default() };
        let busy = |figures: &Figures| Plan::of(&demand, figures).expect("a plan").cell.signalling.busy_cores;
        // 1,000 calls of 440 µs, and 333 REGISTERs of 12 or 13.2.
        assert!((busy(&FIGURES) - 0.444).abs() < 1e-3, "{}", busy(&FIGURES));
        let across = Some(Across { buddy: 100.0, servers: 60.0, nats: 30.0, postgres: 200.0 });
        let told = Figures { call_across: across, register_across: across, exchanges: Some(1.5), ..FIGURES };
        assert!((busy(&told) - (0.660 + 0.160 + 0.333 * 0.1798)).abs() < 1e-3, "{}", busy(&told));
        let plan = Plan::of(&demand, &told).expect("a plan");
        let servers = plan.cell.servers.expect("measured");
        assert!(
            (servers.nats - 1333.33 * 30e-6).abs() < 1e-5
                && (servers.postgres - 1333.33 * 200e-6).abs() < 1e-5
        );
        assert_eq!(self::plan(&demand).cell.servers, None);
    }

    #[test]
    fn a_storm_lasts_as_long_as_phones_take_to_come_back_unless_hosts_are_too_few() {
        let demand = Demand { subscribers: 5e5, busy_hour_calls: 5e5, ..Demand::default() };
        let calm = plan(&demand).cell;
        assert_eq!((calm.storm.phones, calm.storm_seconds), (6e5, Some(30.0)));
        let mut small = Demand { retry_after: 60.0, ..demand };
        small.host.cores = 0.5;
        let cell = plan(&small).cell;
        assert!(cell.storm.carried < 6e5 / 30.0, "{:?}", cell.storm);
        assert!(cell.storm_seconds.is_some_and(|seconds| seconds > 30.0), "{:?}", cell.storm_seconds);
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
