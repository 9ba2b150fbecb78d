//! A worse path: a process between a host's cable and the bridge, through which every frame goes, late and with losses.
//! (The kernel's netem would do it; it is not to be had everywhere.)

use std::collections::VecDeque;
use std::io::{BufRead as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use machine::Moment;
use strowger_io::{Clock, Events, Interest, Poller, Wire};

use crate::Trouble;
use crate::chance::Chance;
use crate::namespace::{command_in, full, in_net};

/// As many frames wait at most, each way.
const ROOM: usize = 20_000;
/// The longest time between two looks at what is ordered.
const NAP: Duration = Duration::from_millis(20);

/// What a path does to each packet, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Path {
    /// How long it takes, milliseconds,
    pub(crate) delay_ms: f64,
    /// more or less by up to so much. Packets don't overtake each other, as in a queue.
    pub(crate) jitter_ms: f64,
    /// How many are lost, percent.
    pub(crate) loss_percent: f64,
}

/// The process, as the drill holds it.
#[derive(Debug)]
pub(crate) struct Delayer {
    child: Child,
}

impl Delayer {
    /// Puts it between the cable of host `name` and the bridge, where it passes everything on at once.
    pub(crate) fn start(process: u32, name: &str, seed: u64) -> Result<Delayer, Trouble> {
        let [near, far] = [format!("{name}-near"), format!("{name}-far")];
        in_net(process, &["link", "add", &near, "type", "veth", "peer", "name", &far])?;
        in_net(process, &["link", "set", &far, "master", "bridge", "up"])?;
        in_net(process, &["link", "set", &near, "up"])?;
        in_net(process, &["link", "set", name, "nomaster"])?;
        let own = std::env::current_exe().map_err(|error| Trouble::new(error.to_string()))?;
        let mut command = command_in(&full(process, "net"), &own);
        command.args(["--delayer", &format!("{name},{near},{seed}")]).stdin(Stdio::piped());
        let child = command.spawn().map_err(|error| Trouble::file(&own, &error))?;
        Ok(Delayer { child })
    }

    /// From now on the path is so.
    pub(crate) fn set(&mut self, path: Path) -> Result<(), Trouble> {
        let Path { delay_ms, jitter_ms, loss_percent } = path;
        let said =
            self.child.stdin.as_mut().map(|stdin| writeln!(stdin, "{delay_ms} {jitter_ms} {loss_percent}"));
        match said {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(Trouble::new("the delayer is gone")),
        }
    }
}

impl Drop for Delayer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does, until nobody gives it orders any more: `order` is both interfaces and the seed.
pub(crate) fn run(order: &str) -> Result<(), Trouble> {
    let parts: Vec<&str> = order.split(',').collect();
    let [left, right, seed] = parts[..] else { return Err(Trouble::new("expected LEFT,RIGHT,SEED")) };
    let seed = seed.parse().map_err(|_| Trouble::new("expected a number as the seed"))?;
    let wires = [Wire::open(left)?, Wire::open(right)?];
    let poller = Poller::new()?;
    poller.add(&wires[0], 0, Interest::READ)?;
    poller.add(&wires[1], 1, Interest::READ)?;
    strowger_io::sleep_precisely();
    strowger_io::come_first();
    let ways = [Way::new(seed, "there"), Way::new(seed, "back")];
    Between { wires, ways, orders: orders()?, path: Path::default() }.turn(&poller)
}

/// Lines of three numbers.
fn orders() -> Result<Receiver<Path>, Trouble> {
    let (said, heard) = channel();
    strowger_io::start_thread("orders", move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
            if let [delay_ms, jitter_ms, loss_percent] = numbers[..]
                && said.send(Path { delay_ms, jitter_ms, loss_percent }).is_err()
            {
                return;
            }
        }
    })?;
    Ok(heard)
}

struct Between {
    wires: [Wire; 2],
    ways: [Way; 2],
    orders: Receiver<Path>,
    path: Path,
}

impl Between {
    fn turn(&mut self, poller: &Poller) -> Result<(), Trouble> {
        let clock = Clock::start(Moment::START);
        let (mut events, mut room) = (Events::new(4), vec![0; Wire::LONGEST]);
        loop {
            match self.orders.try_recv() {
                Ok(path) => self.path = path,
                Err(std::sync::mpsc::TryRecvError::Empty) => {}
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
            let next = self.ways.iter().filter_map(Way::next).min();
            let wait = next.map_or(NAP, |at| at.since(clock.now()).min(NAP));
            poller.wait(&mut events, Some(wait))?;
            for (wire, way) in self.wires.iter().zip(&mut self.ways) {
                // An interface that went down comes up again.
                while let Ok(Some(length)) = wire.receive(&mut room) {
                    way.take(clock.now(), &self.path, &room[..length]);
                }
            }
            let now = clock.now();
            for (from, to) in [(0, 1), (1, 0)] {
                while let Some(frame) = self.ways[from].due(now) {
                    let _ = self.wires[to].send(&frame);
                }
            }
        }
    }
}

/// What is on its way in one direction.
struct Way {
    chance: Chance,
    waiting: VecDeque<(Moment, Vec<u8>)>,
}

impl Way {
    fn new(seed: u64, name: &str) -> Way {
        Way { chance: Chance::new(seed, name), waiting: VecDeque::new() }
    }

    fn take(&mut self, now: Moment, path: &Path, frame: &[u8]) {
        let is_lost = self.chance.part() * 100.0 < path.loss_percent;
        if is_lost || self.waiting.len() >= ROOM {
            return;
        }
        let millis = path.delay_ms + path.jitter_ms * (2.0 * self.chance.part() - 1.0);
        let due = now.after(Duration::from_secs_f64(millis.max(0.0) / 1e3));
        let last = self.waiting.back().map_or(due, |(last, _)| due.max(*last));
        self.waiting.push_back((last, frame.to_vec()));
    }

    fn next(&self) -> Option<Moment> {
        self.waiting.front().map(|(at, _)| *at)
    }

    fn due(&mut self, now: Moment) -> Option<Vec<u8>> {
        self.waiting.pop_front_if(|(at, _)| *at <= now).map(|(_, frame)| frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::from_micros(1_000_000 + micros)
    }

    #[test]
    fn frames_come_late_and_in_order_and_some_never() {
        let path = Path { delay_ms: 80.0, jitter_ms: 40.0, loss_percent: 8.0 };
        let mut way = Way::new(7, "there");
        for number in 0..10_000_u32 {
            way.take(at(u64::from(number) * 1000), &path, &number.to_be_bytes());
        }
        let came = way.waiting.len();
        assert!((9_100..9_300).contains(&came), "{came}");
        let sent = |frame: &[u8]| u64::from(u32::from_be_bytes(frame.try_into().unwrap())) * 1000;
        for (when, frame) in &way.waiting {
            let late = when.as_micros() - at(sent(frame)).as_micros();
            assert!((40_000..=120_000).contains(&late), "{late}");
        }
        assert!(way.waiting.iter().is_sorted_by_key(|(when, _)| *when));
        assert_eq!(way.due(at(39_000)), None);
        assert_eq!(way.due(at(120_000)).map(|frame| sent(&frame)), Some(sent(&0_u32.to_be_bytes())));
    }

    #[test]
    fn a_good_path_passes_everything_on_at_once() {
        let mut way = Way::new(7, "there");
        way.take(at(5), &Path::default(), b"frame");
        assert_eq!(way.due(at(5)), Some(b"frame".to_vec()));
    }
}
