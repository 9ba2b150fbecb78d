//! Several cells on a stage, each a host with all roles and a bus of its own: who lives where, and what is done to them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use strowger_tests::{Peer, eventually};

use crate::Trouble;
use crate::ground::Ground;
use crate::host::{Host, user};
use crate::namespace::{self, command_in, full};
use crate::stage::{HostPlan, Stage};

/// So many there are from the beginning.
pub(crate) const AT_FIRST: usize = 2;
/// Cells that do not know each other by then never will.
const KNOWN: Duration = Duration::from_secs(30);
/// An account that has not moved by then never will.
const MOVED: Duration = Duration::from_secs(30);
/// A cell that is out of reach is known to be by then.
const NOTICED: Duration = Duration::from_secs(10);
/// How long a cell is left alone once the others know that it is out of reach.
const ALONE: Duration = Duration::from_secs(2);
/// One in so many accounts moves at a time.
const SHARE: usize = 6;
/// How many are created at a time while a cell is alone: the others hear of them afterwards.
const LATER: usize = 5;

/// What a platform of several cells is made of besides its hosts.
#[derive(Debug)]
pub(crate) struct Cells {
    process: u32,
    legs: usize,
    folder: PathBuf,
    shared: String,
    /// Those that have not joined yet.
    to_come: std::vec::IntoIter<HostPlan>,
    /// The bus of each, on the same host.
    buses: Vec<Peer>,
    addresses: Vec<Ipv4Addr>,
    phones: usize,
    is_cut: bool,
}

impl Cells {
    /// Those of `stage`, with media ports for so many legs; none of them runs yet.
    pub(crate) fn of(stage: &Stage, (process, legs): (u32, usize), folder: &Path) -> Cells {
        Cells {
            process,
            legs,
            folder: folder.to_owned(),
            shared: stage.shared(folder),
            to_come: stage.hosts.clone().into_iter(),
            buses: Vec::new(),
            addresses: stage.hosts.iter().map(|host| host.address).collect(),
            phones: 0,
            is_cut: false,
        }
    }
}

/// In which of the first cells a phone of the load is, and lives: a third of the pairs are in the one, a third in the other, and
/// a third call from the one to the other. Nobody does who `is_cut` off.
pub(crate) fn home(phone: usize, is_cut: bool) -> usize {
    let (pair, side) = (phone / 2, phone % 2);
    match pair % 3 {
        2 if is_cut => pair / 3 % AT_FIRST,
        2 => side,
        both => both,
    }
}

fn cells(ground: &mut Ground) -> Result<&mut Cells, Trouble> {
    ground.cells.as_mut().ok_or_else(|| Trouble::new("there are no cells on this stage"))
}

/// Starts the next one, with its bus, and waits until it is well.
pub(crate) fn add(ground: &mut Ground) -> Result<(), Trouble> {
    let cells = cells(ground)?;
    let plan = cells.to_come.next().ok_or_else(|| Trouble::new("there is no further cell"))?;
    let (folder, address) = (cells.folder.join(format!("bus-{}", plan.name)), plan.address.to_string());
    std::fs::create_dir_all(&folder).map_err(|error| Trouble::file(&folder, &error))?;
    let mut command = command_in(&full(cells.process, &plan.name), Path::new("nats-server"));
    command.args(["-a", &address, "-p", "4222", "-js", "-sd"]).arg(folder.join("store"));
    cells.buses.push(Peer::start("nats", command, &folder));
    let mut host = Host::start(&plan, (cells.process, cells.legs), None, &cells.shared)?;
    host.come_up()?;
    ground.hosts.push(host);
    Ok(())
}

/// Waits until each of them reaches all others, with every signalling thread.
pub(crate) fn settle(hosts: &[Host]) -> Result<(), Trouble> {
    let others = (hosts.len() - 1) as f64;
    until(hosts, KNOWN, "the cells do not reach each other", || {
        hosts.iter().all(|host| reached(host) == Some(others))
    })
}

fn until(
    hosts: &[Host],
    within: Duration,
    otherwise: &str,
    is_so: impl FnMut() -> bool,
) -> Result<(), Trouble> {
    if eventually(within, is_so) {
        return Ok(());
    }
    let logs: String = hosts.iter().map(|host| format!("==== {}\n{}", host.name(), host.log())).collect();
    Err(Trouble::new(format!("{otherwise}:\n{logs}")))
}

/// How many other cells each of its signalling threads reaches at least.
fn reached(host: &Host) -> Option<f64> {
    host.figures()?.least("strowger_cells_reachable{")
}

/// Where `user` lives, by what is known on `host`.
fn home_of(host: &Host, user: &str) -> Option<u64> {
    host.get(&format!("/v1/tenants/drill/users/{user}/home")).ok()?["cell"].as_u64()
}

/// The users of all phones, each in its cell, and known in all.
pub(crate) fn furnish(ground: &mut Ground, phones: usize, is_cut: bool) -> Result<(), Trouble> {
    let cells = cells(ground)?;
    (cells.phones, cells.is_cut) = (phones, is_cut);
    let hosts = &ground.hosts;
    hosts[0].add_tenant()?;
    let knows_tenant = |host: &Host| {
        let tenants = host.get("/v1/tenants").unwrap_or_default();
        tenants["items"].as_array().is_some_and(|items| !items.is_empty())
    };
    until(hosts, KNOWN, "the tenant is not known everywhere", || hosts.iter().all(knows_tenant))?;
    (0..phones).try_for_each(|phone| hosts[home(phone, is_cut)].add_user(&user(phone)))?;
    (0..phones).try_for_each(|phone| are_known(hosts, &user(phone), home(phone, is_cut)))
}

/// Waits until all `hosts` know that `user` lives in the cell of the host at `place`.
fn are_known(hosts: &[Host], user: &str, place: usize) -> Result<(), Trouble> {
    let cell = hosts[place].node().map(u64::from);
    let otherwise = format!("it is not known everywhere that {user} lives in {}", hosts[place].name());
    until(hosts, MOVED, &otherwise, || hosts.iter().all(|host| home_of(host, user) == cell))
}

/// The third cell joins, if it has not; one in six of the accounts moves to it, or, once all are there, back.
pub(crate) fn third(ground: &mut Ground) -> Result<String, Trouble> {
    let mut joined = String::new();
    if ground.hosts.len() == AT_FIRST {
        let began = Instant::now();
        add(ground)?;
        ground.settle()?;
        joined = format!("joined after {:.1} s; ", began.elapsed().as_secs_f64());
    }
    let turn = ground.turn - 1;
    let (batch, is_back) = (turn % SHARE, turn / SHARE % 2 == 1);
    let Cells { phones, is_cut, .. } = *cells(ground)?;
    let moving: Vec<usize> = (0..phones).filter(|phone| phone / 2 % SHARE == batch).collect();
    let hosts = &ground.hosts;
    let began = Instant::now();
    for &phone in &moving {
        let (from, to) =
            if is_back { (AT_FIRST, home(phone, is_cut)) } else { (home(phone, is_cut), AT_FIRST) };
        // Whoever has just come hears of who lives where a moment later.
        let path = format!("/v1/tenants/drill/users/{}/move", user(phone));
        hosts[from].post(&path, &json!({ "to": hosts[to].node() }))?;
    }
    for &phone in &moving {
        let to = if is_back { home(phone, is_cut) } else { AT_FIRST };
        are_known(hosts, &user(phone), to)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(format!(
        "{joined}{} accounts moved {} it in {seconds:.1} s",
        moving.len(),
        if is_back { "from" } else { "to" }
    ))
}

/// The network between the second cell and the others is cut; accounts are created there meanwhile.
pub(crate) fn cut(ground: &mut Ground) -> Result<String, Trouble> {
    let (turn, cells) = (ground.turn, cells(ground)?);
    let others: Vec<Ipv4Addr> =
        cells.addresses.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, address)| *address).collect();
    let (process, hosts) = (cells.process, &ground.hosts);
    namespace::cut(process, hosts[1].name(), &others)?;
    let began = Instant::now();
    until(hosts, NOTICED, "nobody notices that a cell is cut off", || {
        hosts.iter().all(|host| reached(host) == Some(0.0))
    })?;
    let noticed = began.elapsed().as_secs_f64();
    later(turn).try_for_each(|user| hosts[1].add_user(&user))?;
    std::thread::sleep(ALONE);
    match later(turn).any(|user| home_of(&hosts[0], &user).is_some()) {
        true => Err(Trouble::new("what was done in the cell that is cut off is known in the other one")),
        false => Ok(format!("{}, noticed after {noticed:.1} s", hosts[1].name())),
    }
}

/// Accounts that are created while a cell is alone.
fn later(turn: usize) -> impl Iterator<Item = String> {
    (0..LATER).map(move |number| format!("later-{turn}-{number}"))
}

/// The network is whole again: the cells reach each other, and know what was done meanwhile.
pub(crate) fn join_again(ground: &mut Ground) -> Result<(), Trouble> {
    let process = cells(ground)?.process;
    namespace::join_again(process, ground.hosts[1].name())?;
    ground.settle()?;
    later(ground.turn).try_for_each(|user| are_known(&ground.hosts, &user, 1))
}
