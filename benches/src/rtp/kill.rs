//! `kill.media_gap_ms`: how long it is silent when the media worker is killed in the midst of a hundred calls.

use std::time::{Duration, Instant};

use super::load::Player;
use super::ours::Ours;
use super::plan::{Gap, Locals, Outcome, Remotes};
use crate::Trouble;
use crate::row::{Row, Rows};

/// How often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Kills {
    /// So often the worker is killed, once a second.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Calls meanwhile.
    #[arg(long, default_value_t = 100)]
    calls: u32,
}

const EVERY: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(20);

/// Kills, and writes the row.
pub(crate) fn kill(options: Kills, rows: &mut Rows) -> Result<(), Trouble> {
    let legs = options.calls * 2;
    let mut ours = Ours::start(legs)?;
    let mut generator = Player::start(&["rtp-generate", &legs.to_string()])?;
    let locals: Locals = generator.hear()?;
    let remotes = ours.connect(&locals.legs)?;
    let span = EVERY * (options.kills + 2);
    generator.tell(&Remotes { legs: remotes, millis: span.as_millis() as u64 })?;
    let start = Instant::now();
    let mut kills = Vec::new();
    for number in 1..=options.kills {
        std::thread::sleep((start + EVERY * number).saturating_duration_since(Instant::now()));
        kills.push(start.elapsed());
        ours.kill_worker()?;
    }
    let outcome: Outcome = generator.hear()?;
    let mut silences: Vec<f64> = kills.iter().map(|&at| silence(at, &outcome.gaps)).collect();
    silences.sort_by(f64::total_cmp);
    let at = |hundredth: usize| silences[(silences.len() * hundredth / 100).min(silences.len() - 1)];
    let lost = 100.0 * (1.0 - outcome.received as f64 / outcome.sent.max(1) as f64);
    rows.put(Row {
        ours: Some(at(99)),
        note: format!(
            "the longest silence after a SIGKILL of the media worker, less the packet time: 99th percentile of {} kills amid \
             {} calls (half are under {:.1} ms, all under {:.1}); packets lost in all: {lost:.3} %",
            options.kills,
            options.calls,
            at(50),
            silences[silences.len() - 1],
        ),
        ..Row::new("kill.media_gap_ms", "ms").goal("99 of 100 kills under 200 ms", Some(at(99) < 200.0))
    })
}

/// The longest silence that a kill brought, milliseconds, less the packet time.
fn silence(killed: Duration, gaps: &[Gap]) -> f64 {
    let (from, to) = (killed.as_millis() as u64, (killed + EVERY).as_millis() as u64);
    let its = gaps.iter().filter(|gap| (from..to).contains(&gap.end_millis));
    let longest = its.map(|gap| gap.micros).max().unwrap_or(0);
    Duration::from_micros(longest).saturating_sub(FRAME).as_secs_f64() * 1e3
}
