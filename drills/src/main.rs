//! Kill, cut, drown: what those who talk hear of it, and what is lost. `make drill` runs it.
//!
//! The outer process makes a stage of network namespaces, and runs itself again in the one of the phones; whatever
//! becomes of that one, it ends everything on the stage and takes it down.
//!
//! | file | job |
//! |---|---|
//! | `stage.rs` | who runs where, as data |
//! | `namespace.rs` | network namespaces as hosts |
//! | `host.rs` | a platform on a host |
//! | `nats.rs`, `pair.rs` | its bus on three NATS servers, its store on two PostgreSQL servers |
//! | `ground.rs` | all of that together |
//! | `cells.rs` | several cells, and what is done to them |
//! | `fault.rs`, `strike.rs` | what is done to it, and what that may cost |
//! | `degrade/` | the path to a host gets worse, on a stage of its own |
//! | `load/` | hundreds of calls with voices, by phones in one thread |
//! | `guests.rs` | a few calls of SIPp and baresip among them |
//! | `part.rs` | a platform, its load, some faults, and what came of it |
//! | `results.rs`, `timeline.rs` | the rows, and the picture |

mod cells;
mod chance;
mod degrade;
mod fault;
mod ground;
mod guests;
mod host;
mod load;
mod namespace;
mod nats;
mod pair;
mod part;
mod results;
mod stage;
mod strike;
mod timeline;
mod trouble;

use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::Duration;

use clap::Parser;
use strowger_io::{Signal, Signals};

use fault::Fault;
use load::Pace;
use namespace::{Namespaces, command_in, full};
use part::{Order, Part};
use results::Row;
use stage::Stage;
use trouble::Trouble;

/// What a process says that found no way to do its work: neither passed nor failed.
const SKIPPED: u8 = 77;
/// The 99th percentile of the silences that the machine and the load themselves make must stay under this.
const BASELINE_MS: f64 = 40.0;
/// Fewer calls than these say nothing.
const FEWEST: usize = 40;

/// Kills and stops what a platform is made of while hundreds talk, and says what they heard of it.
#[derive(Clone, Debug, Parser)]
#[command(name = "strowger-drills")]
struct Cli {
    /// Who runs where: one-host, hosts, cells, or paths (for degrade.path alone).
    #[arg(long, default_value = "hosts")]
    stage: String,
    /// Calls to keep up; fewer if the machine cannot bear so many.
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// New calls in a second.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// How often each fault strikes in all.
    #[arg(long, default_value_t = 30)]
    times: usize,
    /// How many of them in one part: an interruption costs the part that is under way.
    #[arg(long, default_value_t = 15)]
    each: usize,
    /// Only faults whose names contain this; rows of others stay.
    #[arg(long, default_value = "")]
    only: String,
    /// What the random moments follow from; without it, the time of day.
    #[arg(long)]
    seed: Option<u64>,
    /// Goes on with the parts that an earlier drill has done.
    #[arg(long)]
    resume: bool,
    /// One fault of each kind and twenty calls; writes no results.
    #[arg(long)]
    short: bool,
    /// Where results and the picture go.
    #[arg(long, default_value = "drills")]
    results: PathBuf,
    /// Where the parts that are done are kept, to be resumed.
    #[arg(long)]
    parts: Option<PathBuf>,
    /// The outer process, for the one inside.
    #[arg(long, hide = true)]
    inside: Option<u32>,
    /// What stands between a host's cable and the bridge.
    #[arg(long, hide = true)]
    delayer: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(order) = &cli.delayer {
        return match degrade::delayer::run(order) {
            Ok(()) => ExitCode::SUCCESS,
            Err(trouble) => {
                eprintln!("drill: {trouble}");
                ExitCode::FAILURE
            }
        };
    }
    let Some(stage) = Stage::named(&cli.stage) else {
        eprintln!("drill: --stage {}: expected one-host, hosts, cells or paths", cli.stage);
        return ExitCode::from(2);
    };
    let ran = match cli.inside {
        Some(process) => inside(&cli, &stage, process),
        None => outside(&stage),
    };
    ran.unwrap_or_else(|trouble| {
        eprintln!("drill: {trouble}");
        ExitCode::FAILURE
    })
}

/// Makes the stage, runs the drill in the namespace of the phones, and takes the stage down.
fn outside(stage: &Stage) -> Result<ExitCode, Trouble> {
    if let Err(trouble) = Namespaces::permitted() {
        println!("drill: skipped: network namespaces are not permitted here ({trouble})");
        return Ok(ExitCode::from(SKIPPED));
    }
    namespace::remove_leftovers();
    let process = std::process::id();
    let [folder, _] = stage::folders(process);
    std::fs::create_dir_all(&folder).map_err(|error| Trouble::file(&folder, &error))?;
    let namespaces = Namespaces::make(stage)?;
    let program =
        std::env::current_exe().map_err(|error| Trouble::file(Path::new("/proc/self/exe"), &error))?;
    let mut command = command_in(&full(process, "world"), &program);
    command.args(std::env::args_os().skip(1)).args(["--inside", &process.to_string()]);
    // What is left behind goes with the folder.
    command.env("TMPDIR", &folder);
    let inner = command.spawn().map_err(|error| Trouble::file(&program, &error))?;
    // Only now: what is started inherits what is blocked. Whoever interrupts sooner leaves it to the next drill.
    let signals = Signals::block(&[Signal::Terminate, Signal::Interrupt])?;
    println!("drill: stage {} of {} host(s), process {process}", stage.name, stage.hosts.len());
    let code = wait(inner, &signals);
    drop(namespaces);
    stage::remove_folders(process);
    code
}

/// Waits for the inner process, or for somebody who wants an end.
fn wait(mut inner: Child, signals: &Signals) -> Result<ExitCode, Trouble> {
    loop {
        let ended = inner.try_wait().map_err(|error| Trouble::new(error.to_string()))?;
        if let Some(status) = ended {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Ok(ExitCode::from(code));
        }
        if signals.next()?.is_some() {
            println!("drill: interrupted; the parts that are done are kept (--resume)");
            strowger_tests::signal_to(inner.id(), libc::SIGKILL);
            let _ = inner.wait();
            return Ok(ExitCode::from(130));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Takes the stage down once the outer process has ended before it could, and ends this one.
fn follow_parent(process: u32) -> Result<(), Trouble> {
    let parent = parent_id();
    strowger_io::start_thread("parent", move || {
        while parent_id() == parent {
            std::thread::sleep(Duration::from_millis(200));
        }
        namespace::take_down(process);
        std::process::exit(1);
    })?;
    Ok(())
}

/// The drill itself, among the phones.
fn inside(cli: &Cli, stage: &Stage, process: u32) -> Result<ExitCode, Trouble> {
    let seed = cli.seed.unwrap_or_else(|| {
        let today = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        today.map_or(0, |today| today.as_secs())
    });
    println!("drill: --seed {seed}");
    follow_parent(process)?;
    if stage.name == "paths" {
        return path(cli, stage, process, seed);
    }
    if cli.short {
        return short(stage, process, seed);
    }
    let mut course = Course { cli, stage, process, seed, parts: Vec::new() };
    course.parts = read_parts(&course.path()?)?;
    if !cli.resume {
        // Rows of other kinds stay.
        course.parts.retain(|part| !part.name.contains(&cli.only));
    }
    course.run()
}

/// The path to a host gets worse.
fn path(cli: &Cli, stage: &Stage, process: u32, seed: u64) -> Result<ExitCode, Trouble> {
    let calls = if cli.short { 24 } else { cli.calls.min(60) };
    let row = degrade::play(stage, process, seed, calls)?;
    println!("{row}");
    let is_met = row.is_met();
    if !cli.short {
        let [rows, _] = stage.results();
        results::write_path(&cli.results.join(rows), row)?;
    }
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those that can be done here; says of the others why not.
fn possible(stage: &Stage) -> Vec<Fault> {
    let mut faults = Fault::of(stage).to_vec();
    faults.retain(|fault| match fault.obstacle() {
        Some(obstacle) => {
            println!("drill: {}: skipped: {obstacle}", fault.name());
            false
        }
        None => true,
    });
    faults
}

/// Everything once, with few calls.
fn short(stage: &Stage, process: u32, seed: u64) -> Result<ExitCode, Trouble> {
    let pace = Pace { calls: 20, rate: 4.0 };
    let faults = &possible(stage)[1..];
    // Who lives where is another matter for each of those that strike cells.
    let at_once = if stage.has_cells() { 1 } else { faults.len() };
    let mut parts = Vec::new();
    for faults in faults.chunks(at_once.max(1)) {
        let part = Order { stage, process, pace, seed, guests: false }.play("short", faults)?;
        tell(&part);
        parts.push(part);
    }
    let goal = faults.iter().map(|fault| fault.goal_ms()).fold(0.0, f64::max);
    let row = Row::of(&parts.iter().collect::<Vec<_>>(), goal);
    let row = row.ok_or_else(|| Trouble::new("nothing came of it"))?;
    println!("{row}");
    let all_struck = row.faults == faults.len();
    Ok(if row.is_whole() && all_struck { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A drill of every kind of fault, part by part.
struct Course<'a> {
    cli: &'a Cli,
    stage: &'a Stage,
    process: u32,
    seed: u64,
    parts: Vec<Part>,
}

impl Course<'_> {
    fn run(&mut self) -> Result<ExitCode, Trouble> {
        let mut kinds = possible(self.stage);
        kinds.retain(|fault| fault.name().contains(&self.cli.only));
        let pace = self.bearable()?;
        for (at, &fault) in kinds.iter().enumerate() {
            while let missing @ 1.. = self.cli.times.saturating_sub(self.done(fault)) {
                let left = self.left(&kinds[at..]).as_secs() / 60;
                println!("drill: kind {} of {}, about {left} min left", at + 1, kinds.len());
                let part = self.play(pace, fault, missing.min(self.cli.each.max(1)))?;
                let is_broken = part.faults.len() < missing.min(self.cli.each.max(1));
                self.keep(part)?;
                if is_broken {
                    break;
                }
            }
        }
        let rows = results::rows(&self.parts, Fault::of(self.stage));
        println!("\nsilence: median / 99th percentile / worst, less the 20 ms of a packet");
        rows.iter().for_each(|row| println!("{row}"));
        let own = rows.iter().filter(|row| kinds.iter().any(|fault| fault.name() == row.name));
        let all_met = own.clone().all(|row| row.is_whole() && row.is_quiet()) && own.count() > 0;
        Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn done(&self, fault: Fault) -> usize {
        let own = self.parts.iter().filter(|part| part.name == fault.name());
        own.map(|part| part.faults.len()).sum()
    }

    /// How long what is missing of `kinds` will take, going by what was done.
    fn left(&self, kinds: &[Fault]) -> Duration {
        let mean = |name: &str, what: fn(&Part) -> f64, count: fn(&Part) -> usize| {
            let own = self.parts.iter().filter(|part| part.took[0] > 0.0 && part.name.contains(name));
            let (sum, all) = own.fold((0.0, 0), |(sum, all), part| (sum + what(part), all + count(part)));
            (all > 0).then(|| sum / all as f64)
        };
        let around = mean("", |part| part.took[0] - part.took[1], |_| 1).unwrap_or(60.0);
        let seconds = kinds.iter().map(|&fault| {
            let missing = self.cli.times.saturating_sub(self.done(fault));
            let each = |name| mean(name, |part| part.took[1], |part| part.faults.len());
            let each = each(&fault.name()).or_else(|| each("")).unwrap_or(6.0);
            missing as f64 * each + missing.div_ceil(self.cli.each.max(1)) as f64 * around
        });
        Duration::from_secs_f64(seconds.sum())
    }

    /// As many calls as the machine can bear without being heard itself.
    fn bearable(&mut self) -> Result<Pace, Trouble> {
        let is_baseline = |part: &Part| part.name == Fault::None.name();
        if let Some(part) = self.parts.iter().find(|part| is_baseline(part))
            && (self.cli.resume || part.calls == self.cli.calls)
        {
            return Ok(Pace { calls: part.calls, rate: part.rate });
        }
        self.parts.retain(|part| !is_baseline(part));
        let mut calls = self.cli.calls;
        loop {
            let pace = Pace { calls, rate: self.cli.rate.min(calls as f64 / 5.0) };
            let part = self.play(pace, Fault::None, self.cli.each.clamp(1, self.cli.times.max(1)))?;
            let row = Row::of(&[&part], BASELINE_MS).ok_or_else(|| Trouble::new("no baseline"))?;
            if row.is_quiet() || calls * 2 / 3 < FEWEST {
                self.keep(part)?;
                return Ok(pace);
            }
            println!("{row}\ndrill: {calls} calls are more than this machine bears");
            calls = calls * 2 / 3;
        }
    }

    fn play(&self, pace: Pace, fault: Fault, times: usize) -> Result<Part, Trouble> {
        let seed = self.seed.wrapping_add(self.parts.len() as u64);
        println!(
            "drill: {} {times} times, {} calls, {:.0} new ones a second",
            fault.name(),
            pace.calls,
            pace.rate
        );
        let order = Order { stage: self.stage, process: self.process, pace, seed, guests: true };
        let part = order.play(&fault.name(), &vec![fault; times])?;
        tell(&part);
        Ok(part)
    }

    fn path(&self) -> Result<PathBuf, Trouble> {
        match &self.cli.parts {
            Some(path) => Ok(path.clone()),
            None => {
                let own = std::env::current_exe().map_err(|error| Trouble::new(error.to_string()))?;
                Ok(own.with_file_name(format!("drill-parts-{}.jsonl", self.stage.name)))
            }
        }
    }

    /// Adds a part to those that are done, and writes all rows anew.
    fn keep(&mut self, part: Part) -> Result<(), Trouble> {
        self.parts.push(part);
        let path = self.path()?;
        let lines: Result<Vec<String>, _> = self.parts.iter().map(serde_json::to_string).collect();
        let text = lines.map_err(|error| Trouble::new(error.to_string()))?.join("\n") + "\n";
        // Whole, or as it was: an interruption costs a part at most.
        let beside = path.with_extension("new");
        std::fs::write(&beside, text).map_err(|error| Trouble::file(&beside, &error))?;
        std::fs::rename(&beside, &path).map_err(|error| Trouble::file(&path, &error))?;
        let kinds = Fault::of(self.stage);
        let mut rows = results::rows(&self.parts, kinds);
        // What the load itself makes heard is a row of the hosts.
        rows.retain(|row| !self.stage.has_cells() || row.name != Fault::None.name());
        let [rows_in, picture] = self.stage.results();
        timeline::write(&self.cli.results.join(picture), &self.parts, &rows)?;
        let is_partial = self.cli.resume || !self.cli.only.is_empty();
        let rows_in = self.cli.results.join(rows_in);
        let others = results::read(&rows_in).into_iter();
        let is_own = |row: &Row| kinds[1..].iter().any(|kind| kind.name() == row.name);
        let others = others.filter(|row| is_partial || !is_own(row)).collect();
        results::write(&rows_in, &results::with_others(rows, others))
    }
}

fn read_parts(path: &Path) -> Result<Vec<Part>, Trouble> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(Vec::new()) };
    let parts: Result<Vec<Part>, _> = text.lines().map(serde_json::from_str).collect();
    parts.map_err(|error| Trouble::new(format!("{}: {error}", path.display())))
}

/// Says which calls were lost, and how much was going on.
fn tell(part: &Part) {
    for lost in part.lost.iter().take(40) {
        println!("  lost at {:.1} s: {} ({})", lost.at as f64 / 1e3, lost.what, lost.call);
    }
    println!(
        "  {}: {:.0} s, {} faults, {} calls, {} lost; at least {} up, {:?} in the passing states; {} registrations failed, \
         {} packets went astray, the load itself stood still for {:.0} ms at most",
        part.name,
        part.took[0],
        part.faults.len(),
        part.attempts,
        part.lost.len(),
        part.up,
        part.passing,
        part.unregistered,
        part.crossed,
        part.stalled_ms
    );
}
