//! What a fault can strike: the hosts that run, their bus and their store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use strowger_tests::eventually;

use crate::Trouble;
use crate::cells::{self, Cells};
use crate::fault::Fault;
use crate::host::{Host, Record};
use crate::nats::Nats;
use crate::pair::Pair;
use crate::stage::{SHARED, Stage, folders};

/// Hosts that have not agreed by then never will.
const SETTLED: Duration = Duration::from_secs(30);

/// Everything on a stage.
pub(crate) struct Ground {
    /// Where the platform runs.
    pub(crate) hosts: Vec<Host>,
    /// The bus between hosts, if there are several.
    pub(crate) nats: Option<Nats>,
    /// The store, if that is on servers.
    pub(crate) pair: Option<Pair>,
    /// What is known of cells, if there are several.
    pub(crate) cells: Option<Cells>,
    /// How many faults there were: the next one strikes the next host.
    pub(crate) turn: usize,
    /// The program that every host runs, or runs next.
    pub(crate) program: PathBuf,
}

impl Ground {
    /// The hosts of `stage`, and servers for their store if one of `faults` strikes them or several share it.
    pub(crate) fn prepare(
        stage: &Stage,
        (process, legs): (u32, usize),
        faults: &[Fault],
    ) -> Result<Ground, Trouble> {
        let [folder, _] = folders(process);
        let secret = folder.join("secret");
        let _ = std::fs::create_dir_all(&folder);
        std::fs::write(&secret, [7; 16]).map_err(|error| Trouble::file(&secret, &error))?;
        if stage.has_cells() {
            return Ground::of_cells(stage, (process, legs), &folder);
        }
        let needs_servers = stage.is_of_several() || faults.iter().any(|fault| fault.needs_servers());
        // None of the last part: its servers hold the addresses.
        let pair = needs_servers.then(|| Pair::start(process, stage, &folder)).transpose()?;
        let nats = Nats::start(process, stage, &folder)?;
        let (store, shared) = (pair.as_ref().map(Pair::address), stage.shared(&folder));
        let (mut hosts, program) = (Vec::new(), strowger_tests::strowger());
        for plan in stage.of(|runs| runs.is_ours()) {
            hosts.push(Host::start(plan, (process, legs), store.as_deref(), &shared)?);
        }
        hosts.iter_mut().try_for_each(Host::come_up)?;
        let ground = Ground { hosts, nats, pair, cells: None, turn: 0, program };
        ground.settle()?;
        Ok(ground)
    }

    fn of_cells(stage: &Stage, (process, legs): (u32, usize), folder: &Path) -> Result<Ground, Trouble> {
        let (program, cells) = (strowger_tests::strowger(), Cells::of(stage, (process, legs), folder));
        let mut ground =
            Ground { hosts: Vec::new(), nats: None, pair: None, cells: Some(cells), turn: 0, program };
        (0..cells::AT_FIRST).try_for_each(|_| cells::add(&mut ground))?;
        ground.settle()?;
        Ok(ground)
    }

    /// Adds the tenant and the users of so many phones, who live where [`cells::home`] says.
    pub(crate) fn furnish(&mut self, phones: usize, is_cut: bool) -> Result<(), Trouble> {
        match &self.cells {
            Some(_) => cells::furnish(self, phones, is_cut),
            None => self.host().furnish(phones),
        }
    }

    /// Every call record, by the Call-ID of the caller's leg.
    pub(crate) fn records(&self) -> Result<BTreeMap<String, Vec<Record>>, Trouble> {
        if self.cells.is_none() {
            return self.host().records();
        }
        let mut all: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for host in &self.hosts {
            host.records()?.into_iter().for_each(|(call, kept)| all.entry(call).or_default().extend(kept));
        }
        Ok(all)
    }

    /// Whom to ask about the platform.
    pub(crate) fn host(&self) -> &Host {
        let first = self.hosts.iter().find(|host| host.has_api() && host.is_well());
        first.unwrap_or(&self.hosts[0])
    }

    /// Everybody's log.
    pub(crate) fn log(&self) -> String {
        let servers = self.nats.as_ref().map(Nats::log).unwrap_or_default();
        let hosts = self.hosts.iter().map(|host| format!("==== {}\n{}", host.name(), host.log()));
        hosts.chain([servers]).collect()
    }

    /// Lost hosts come back, with nothing.
    pub(crate) fn replace_lost(&mut self) -> Result<(), Trouble> {
        self.hosts.iter_mut().filter(|host| host.is_lost()).try_for_each(Host::replace)?;
        self.settle()
    }

    /// Waits until all hosts are there, every shard has an owner and a buddy that knows all of it, and an edge holds the
    /// addresses.
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        if self.cells.is_some() {
            return cells::settle(&self.hosts);
        }
        if self.nats.is_none() {
            return Ok(());
        }
        // What is to be handed on is, and what was is not to be handed on again. Figures are a second old at most.
        let settled = (0..4).all(|_| {
            let settled = eventually(SETTLED, || self.is_settled());
            std::thread::sleep(Duration::from_millis(250));
            settled
        });
        if settled { Ok(()) } else { Err(Trouble::new(format!("the hosts do not agree:\n{}", self.log()))) }
    }

    fn is_settled(&self) -> bool {
        let figures: Vec<_> = self.hosts.iter().filter(|host| host.has_api()).map(Host::figures).collect();
        let sum = |name: &str| {
            let figures =
                figures.iter().map(|it| it.as_ref().and_then(|it| it.sum(name)).unwrap_or_default());
            figures.sum::<f64>() as usize
        };
        let all = usize::from(machine::SHARDS);
        self.hosts.iter().any(|host| host.holds(SHARED[0]))
            && sum("strowger_broker_nodes{") == figures.len() * self.hosts.len()
            && sum("strowger_broker_shards_to_move{") == 0
            && sum("strowger_shards_owned{") == all
            && sum("strowger_shards_protected{") == all
    }
}

/// The program of the commit before, if the environment names it (`scripts/previous.sh` builds it).
pub(crate) fn previous() -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os("PREVIOUS")?);
    named.canonicalize().ok().filter(|path| Path::is_file(path))
}
