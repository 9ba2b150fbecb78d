//! Lines between hosts: in order, with delays; they break, or stall while somebody is cut off and go on later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use machine::Moment;
use peering::{Frame, Line, Wish};

use super::host::{At, Host};
use super::thread::Heard;
use crate::chance::Chance;

/// How long a connect that nobody answers waits until it is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// One end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    pub(crate) at: At,
    pub(crate) line: Line,
}

/// A line that somebody has called.
#[derive(Debug)]
struct Wire {
    caller: End,
    called: Option<End>,
    to: At,
    /// When what was said last arrives, there and back.
    busy: [Moment; 2],
    /// What can't arrive for now, in order.
    held: [VecDeque<Frame>; 2],
    is_slow: bool,
}

/// What happens to a line.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody calls.
    Call(u64),
    /// Something arrives, at the one that was called or back.
    Arrives { number: u64, way: usize, frame: Frame },
    /// What was held arrives.
    Flush { number: u64 },
    /// An end learns that the line is cut, if it still lives that had it in its so many'th life.
    Cut(End, u32),
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Done {
    Nothing,
    Later(Duration, Event),
    /// An end hears this, and something else happens a moment later.
    Heard(At, Heard, Option<(Duration, Event)>),
    /// A connection arrives there.
    Calls(u64, At),
}

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    next: u64,
    wires: BTreeMap<u64, Wire>,
    numbers: BTreeMap<End, (u64, usize)>,
    /// Ends of lines whose other end died while it could not be reached.
    orphans: Vec<(End, u32)>,
    /// How often the process of each host died.
    lives: BTreeMap<usize, u32>,
}

type Planned = Vec<(Duration, Event)>;

impl Wires {
    /// Does what a thread wants of a line.
    pub(crate) fn carry_out(&mut self, at: At, wish: Wish, now: Moment, chance: &mut Chance) -> Planned {
        match wish {
            Wish::Call { line, to } => {
                self.next += 1;
                let caller = End { at, line };
                let wire = Wire {
                    caller,
                    called: None,
                    to: Host::of_address(to),
                    busy: [Moment::START; 2],
                    held: Default::default(),
                    is_slow: chance.happens(30),
                };
                self.wires.insert(self.next, wire);
                self.numbers.insert(caller, (self.next, 0));
                vec![(travel(chance, false), Event::Call(self.next))]
            }
            Wish::Say { line, frame } => {
                let Some(&(number, way)) = self.numbers.get(&End { at, line }) else { return Vec::new() };
                let Some(wire) = self.wires.get_mut(&number) else { return Vec::new() };
                if wire.called.is_none() || !wire.held[way].is_empty() {
                    wire.held[way].push_back(frame);
                    return Vec::new();
                }
                let arrives = now.after(travel(chance, wire.is_slow)).max(wire.busy[way]);
                wire.busy[way] = arrives;
                vec![(arrives.since(now), Event::Arrives { number, way, frame })]
            }
            Wish::HangUp { line } => {
                let end = End { at, line };
                let Some(&(number, _)) = self.numbers.get(&end) else { return Vec::new() };
                let other = self.end(number, Some(end));
                other.into_iter().map(|end| (travel(chance, false), self.cut(end))).collect()
            }
        }
    }

    fn life(&self, host: usize) -> u32 {
        self.lives.get(&host).copied().unwrap_or_default()
    }

    fn cut(&self, end: End) -> Event {
        Event::Cut(end, self.life(end.at.host))
    }

    /// Forgets a line; says who must hear of it, beside `but`.
    fn end(&mut self, number: u64, but: Option<End>) -> Vec<End> {
        let Some(wire) = self.wires.remove(&number) else { return Vec::new() };
        let ends: Vec<End> = [Some(wire.caller), wire.called].into_iter().flatten().collect();
        for end in &ends {
            self.numbers.remove(end);
        }
        ends.into_iter().filter(|end| Some(*end) != but).collect()
    }

    /// Something happens.
    pub(crate) fn happens(&mut self, event: Event, reaches: &impl Fn(usize, usize) -> bool) -> Done {
        match event {
            Event::Call(number) => {
                let Some(wire) = self.wires.get(&number) else { return Done::Nothing };
                match reaches(wire.caller.at.host, wire.to.host) {
                    true => Done::Calls(number, wire.to),
                    false => Done::Later(AGAIN, Event::Call(number)),
                }
            }
            Event::Arrives { number, way, frame } => {
                let Some(wire) = self.wires.get_mut(&number) else { return Done::Nothing };
                let Some(called) = wire.called else { return Done::Nothing };
                let (from, to) = if way == 0 { (wire.caller, called) } else { (called, wire.caller) };
                if !reaches(from.at.host, to.at.host) || !wire.held[way].is_empty() {
                    wire.held[way].push_back(frame);
                    return Done::Nothing;
                }
                Done::Heard(to.at, Heard::Frame(to.line, frame), None)
            }
            Event::Flush { number } => self.flush(number, reaches),
            Event::Cut(end, life) if life == self.life(end.at.host) => {
                Done::Heard(end.at, Heard::Cut(end.line), None)
            }
            Event::Cut(..) => Done::Nothing,
        }
    }

    /// One of those that were held arrives; the next one a moment later.
    fn flush(&mut self, number: u64, reaches: &impl Fn(usize, usize) -> bool) -> Done {
        let Some(wire) = self.wires.get_mut(&number) else { return Done::Nothing };
        let Some(called) = wire.called else { return Done::Nothing };
        if !reaches(wire.caller.at.host, called.at.host) {
            return Done::Nothing;
        }
        for (way, to) in [called, wire.caller].into_iter().enumerate() {
            if let Some(frame) = wire.held[way].pop_front() {
                let next = Some((Duration::from_micros(20), Event::Flush { number }));
                return Done::Heard(to.at, Heard::Frame(to.line, frame), next);
            }
        }
        Done::Nothing
    }

    /// The connection was taken.
    pub(crate) fn is_accepted(&mut self, number: u64, called: End, now: Moment) -> Planned {
        let Some(wire) = self.wires.get_mut(&number) else { return Vec::new() };
        wire.called = Some(called);
        wire.busy = [now.after(Duration::from_millis(1)); 2];
        self.numbers.insert(called, (number, 1));
        vec![(Duration::from_micros(20), Event::Flush { number })]
    }

    /// Nobody listens there.
    pub(crate) fn is_refused(&mut self, number: u64) -> Planned {
        let ends = self.end(number, None);
        ends.into_iter().map(|end| (Duration::from_millis(1), self.cut(end))).collect()
    }

    /// It is looked at later.
    pub(crate) fn call_again(&self, number: u64) -> Planned {
        vec![(Duration::from_millis(100), Event::Call(number))]
    }

    /// A process is no more: its lines are cut, and the other ends learn it.
    pub(crate) fn process_died(&mut self, host: usize, chance: &mut Chance) -> Planned {
        *self.lives.entry(host).or_default() += 1;
        self.orphans.retain(|(end, _)| end.at.host != host);
        self.lines_break(host, chance)
    }

    /// Lines of a host are cut, and both ends learn it.
    pub(crate) fn lines_break(&mut self, host: usize, chance: &mut Chance) -> Planned {
        let mut planned = Vec::new();
        for number in self.of(host) {
            for end in self.end(number, None) {
                planned.push((travel(chance, false), self.cut(end)));
            }
        }
        planned
    }

    /// A host is gone: nobody hears anything of its lines any more.
    pub(crate) fn host_is_gone(&mut self, host: usize) {
        *self.lives.entry(host).or_default() += 1;
        self.orphans.retain(|(end, _)| end.at.host != host);
        for number in self.of(host) {
            let ends = self.end(number, None);
            let others = ends.into_iter().filter(|end| end.at.host != host);
            let others: Vec<_> = others.map(|end| (end, self.life(end.at.host))).collect();
            self.orphans.extend(others);
        }
    }

    fn of(&self, host: usize) -> Vec<u64> {
        let is_of = |wire: &Wire| wire.caller.at.host == host || wire.to.host == host;
        self.wires.iter().filter(|(_, wire)| is_of(wire)).map(|(&number, _)| number).collect()
    }

    /// Those who were cut off can be reached: what was held arrives some time, or the line is broken by now.
    pub(crate) fn heal(&mut self, back: &BTreeSet<usize>, chance: &mut Chance) -> Vec<Event> {
        let mut events = Vec::new();
        let numbers: BTreeSet<u64> = back.iter().flat_map(|&host| self.of(host)).collect();
        for number in numbers {
            if chance.happens(400) {
                let ends = self.end(number, None);
                events.extend(ends.into_iter().map(|end| self.cut(end)));
            } else {
                events.push(Event::Flush { number });
            }
        }
        events.extend(std::mem::take(&mut self.orphans).into_iter().map(|(end, life)| Event::Cut(end, life)));
        events
    }
}

fn travel(chance: &mut Chance, is_slow: bool) -> Duration {
    match is_slow {
        // A link that is bad now and then.
        true => Duration::from_micros(chance.between(200, 40_000)),
        false => Duration::from_micros(chance.between(60, 400)),
    }
}
