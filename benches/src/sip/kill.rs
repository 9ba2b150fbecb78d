//! `kill.signalling_gap_ms` and `kill.media_gap_ms`: how long it is silent when a worker is killed in the midst of a
//! hundred calls with sound, all of which then end by BYE.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use strowger_io::{Pidfd, Signal};

use super::calls::{registered, setup};
use super::drive::Drive;
use super::rig::Rig;
use super::{CALLERS, call::Calls, options_request, text};
use crate::Trouble;
use crate::cpu;
use crate::platform::Platform;
use crate::row::{Row, Rows};
use crate::rtp::{Gap, Locals, Outcome, Player, Remotes};

/// How often.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Kills {
    /// So often each worker is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Or for so many seconds, as other measurements are told.
    #[arg(long)]
    seconds: Option<u32>,
    /// Told to other measurements; without meaning here.
    #[arg(long, hide = true)]
    rounds: Option<usize>,
    /// Calls meanwhile.
    #[arg(long, default_value_t = 100)]
    calls: u16,
    /// Only this worker, `signalling` or `media`.
    #[arg(long)]
    only: Option<String>,
}

/// From one kill to the next; whoever lived half a second is settled (see `platform.rs`).
const EVERY: Duration = Duration::from_millis(700);
/// Legs beyond those of the calls with sound.
const SPARE: u16 = 100;
const FRAME: Duration = Duration::from_millis(20);
/// Calls a second while they are set up.
const PACE: f64 = 100.0;
/// Who is not back by then is not back.
const PATIENCE: Duration = Duration::from_millis(600);

/// Kills each of the two workers, and writes the rows.
pub(crate) fn measure(binary: &Path, kills: &Kills, rows: &mut Rows) -> Result<(), Trouble> {
    let wanted = kills.seconds.map_or(kills.kills, |seconds| seconds * 1_000 / EVERY.as_millis() as u32);
    let kills = &Kills { kills: wanted.clamp(1, kills.kills), ..kills.clone() };
    for (worker, goal) in [("signalling", 20.0), ("media", 200.0)] {
        if kills.only.as_deref().is_none_or(|only| only == worker) {
            let told = kill(binary, kills, worker)?;
            rows.put(told.row(worker, goal, kills))?;
        }
    }
    Ok(())
}

/// What came of it; all in milliseconds, sorted.
struct Told {
    silences: Vec<f64>,
    /// From a kill until SIP was answered again.
    back: Vec<f64>,
    lost: f64,
    /// Calls that ended by BYE afterwards.
    ended: u64,
}

impl Told {
    fn row(&self, worker: &str, goal: f64, kills: &Kills) -> Row {
        let silence = at(&self.silences, 99);
        Row {
            ours: Some(silence),
            note: format!(
                "the longest silence in either direction after a SIGKILL of the {worker} worker, less the packet time: 99th \
                 percentile of {} kills amid {} calls with sound through the whole platform (half are under {:.1} ms, all \
                 under {:.1}); packets lost in all: {:.3} %; SIP was answered again within {:.1} ms (half) and {:.1} ms (all) \
                 of a kill; {} of the calls then ended by BYE",
                kills.kills,
                kills.calls,
                at(&self.silences, 50),
                at(&self.silences, 100),
                self.lost,
                at(&self.back, 50),
                at(&self.back, 100),
                self.ended,
            ),
            ..Row::new(&format!("kill.{worker}_gap_ms"), "ms")
                .goal(&format!("99 of 100 kills under {goal} ms"), Some(silence < goal))
        }
    }
}

fn at(sorted: &[f64], hundredth: usize) -> f64 {
    sorted
        .get((sorted.len() * hundredth / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

fn kill(binary: &Path, kills: &Kills, worker: &str) -> Result<Told, Trouble> {
    let platform = Platform::start(binary, setup(1, 2 * kills.calls + SPARE, false))?;
    let mut rig = registered(&platform, Duration::from_millis(500))?;
    rig.settle(Duration::from_secs(5))?;
    let mut phones = Player::start_urgently(&["rtp-generate", &(2 * kills.calls).to_string()])?;
    let locals: Locals = phones.hear()?;
    let span = EVERY * (kills.kills + 2);
    let legs = call_with_sound(&mut rig, &locals, span)?;
    phones.tell(&Remotes { legs, millis: span.as_millis() as u64 })?;
    let start = Instant::now();
    let (mut at, mut back) = (Vec::new(), Vec::new());
    for number in 1..=kills.kills {
        std::thread::sleep((start + EVERY * number).saturating_duration_since(Instant::now()));
        let killed = kill_worker(platform.pid(), worker)?;
        at.push(killed - start);
        back.push(answered_again(&platform, number)?.saturating_duration_since(killed));
    }
    let outcome: Outcome = phones.hear()?;
    if outcome.behind {
        println!("kill: the phones themselves could not keep pace");
    }
    let done = Drive::new(&mut rig.wire, &mut rig.load, rig.start).all(0, 1.0, Duration::from_secs(10))?.done;
    Ok(Told {
        silences: sorted(at.iter().map(|&killed| silence(killed, &outcome.gaps))),
        back: sorted(back.into_iter().map(|time| time.as_secs_f64() * 1e3)),
        lost: 100.0 * (1.0 - outcome.received as f64 / outcome.sent.max(1) as f64),
        ended: done,
    })
}

fn sorted(all: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all
}

/// Sets the calls up; where each phone sends its sound to. They last until the sound is over.
fn call_with_sound(
    rig: &mut Rig<Calls>,
    locals: &Locals,
    span: Duration,
) -> Result<Vec<std::net::SocketAddr>, Trouble> {
    let calls = locals.legs.len() as u64 / 2;
    let setting_up = Duration::from_secs_f64(calls as f64 / PACE);
    rig.load.hold(span + setting_up + Duration::from_secs(3));
    rig.load.give_audio(&locals.legs);
    Drive::new(&mut rig.wire, &mut rig.load, rig.start).all(calls, PACE, Duration::from_secs(1))?;
    let legs = rig.load.audio_goes();
    if legs.len() != locals.legs.len() {
        return Err(format!("of {} phones {} know where to send to", locals.legs.len(), legs.len()).into());
    }
    Ok(legs)
}

/// Kills the worker of this name as the kernel would; when it did.
fn kill_worker(root: u32, name: &str) -> Result<Instant, Trouble> {
    let is_it = |pid: &u32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.strip_suffix(b"\0").is_some_and(|all| all.ends_with(format!("worker\0{name}").as_bytes()))
    };
    let pid = cpu::tree(root).into_iter().find(is_it).ok_or_else(|| format!("there is no {name} worker"))?;
    let worker = Pidfd::of_child(pid)?;
    let now = Instant::now();
    worker.signal(Signal::Kill)?;
    Ok(now)
}

/// Asks once, and waits for the answer.
fn answered_again(platform: &Platform, number: u32) -> Result<Instant, Trouble> {
    let socket = UdpSocket::bind((CALLERS, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let request = options_request(platform.address, socket.local_addr()?, number);
    socket.send_to(request.as_bytes(), platform.address)?;
    let mut answer = [0; 2048];
    match socket.recv_from(&mut answer) {
        Ok((count, _)) if text::status(&answer[..count]).is_some() => {}
        Ok(_) => return Err("something else than an answer came".into()),
        // It counts as the whole wait.
        Err(error) => println!("kill: number {number} was not answered: {error}"),
    }
    Ok(Instant::now())
}

/// The longest silence that a kill brought, milliseconds, less the packet time.
fn silence(killed: Duration, gaps: &[Gap]) -> f64 {
    let (from, to) = (killed.as_millis() as u64, (killed + EVERY).as_millis() as u64);
    let its = gaps.iter().filter(|gap| (from..to).contains(&gap.end_millis));
    let longest = its.map(|gap| gap.micros).max().unwrap_or(0);
    Duration::from_micros(longest).saturating_sub(FRAME).as_secs_f64() * 1e3
}
