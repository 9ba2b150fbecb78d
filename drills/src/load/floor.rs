//! The thread of the load: all phones in one loop that turns every two milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use machine::{Moment, Outbox, Timers};
use phone::{Command, Event, In, Out};
use strowger_io::{Clock, Events, Interest, Poller};

use super::call::{CALLEE, CALLER, Call};
use super::handset::{Handset, Matter, Voice};
use super::sound::Sound;
use super::voices::Voices;
use super::{Attempt, Count, Order, Pace, Passing, Plan, Setting, Silence, Tally};
use crate::Trouble;

/// From one turn of the loop to the next.
const TURN: Duration = Duration::from_millis(2);
/// Between two phones that register: a crowd would be shed.
const REGISTERING: Duration = Duration::from_millis(8);
/// Whoever is refused tries again by itself; so long all of them may take.
const REGISTERED: Duration = Duration::from_secs(100);

/// What waits for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Due {
    /// A phone, by its number.
    Phone(usize),
    /// A call, by its number.
    Call(u32),
}

/// Two phones that call each other, the caller having the even number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    /// They may call.
    Free,
    /// They are in a call.
    Busy(u32),
    /// Their call is over, but something of it is still on its way.
    Settling(u32),
    /// Their call never ended: who knows what comes of it yet.
    Spoiled,
}

/// All phones and calls.
pub(crate) struct Floor {
    clock: Clock,
    pace: Pace,
    poller: Poller,
    events: Events,
    handsets: Vec<Handset>,
    voices: Voices,
    timers: Timers<Due>,
    pairs: Vec<Pair>,
    calls: BTreeMap<u32, Call>,
    /// Of the calls in [`Pair::Settling`], and then of all.
    attempts: BTreeMap<u32, Attempt>,
    /// Silences of calls that ended while the window was open.
    silences: Vec<Silence>,
    is_open: bool,
    begun: u32,
    next_call: Option<Moment>,
    to_register: std::ops::Range<usize>,
    next_register: Moment,
    registered: BTreeSet<usize>,
    /// Who wants to know when all are registered, and until when that can be waited for.
    registering: Option<(Sender<usize>, Moment)>,
    finishing: Option<Sender<Tally>>,
    tally: Tally,
    out: Outbox<Out>,
    spoken: Vec<Voice>,
}

impl Floor {
    /// Makes all phones.
    pub(crate) fn open(
        setting: Setting,
        clock: Clock,
        server: impl Fn(usize) -> SocketAddr,
    ) -> Result<Floor, Trouble> {
        let pairs = setting.pace.pairs();
        let voices = Voices::open(setting.me, 2 * pairs)?;
        let poller = Poller::new()?;
        let mut handsets = Vec::new();
        for number in 0..2 * pairs {
            let seed = setting.seed ^ clock.now().as_micros() << 12 ^ number as u64;
            let audio = voices.address(number);
            let handset = Handset::open(&user(number), setting.me, (server(number), audio), seed)?;
            poller.add(handset.socket(), number as u64, Interest::READ)?;
            handsets.push(handset);
        }
        Ok(Floor {
            clock,
            pace: setting.pace,
            poller,
            events: Events::new(512),
            handsets,
            voices,
            timers: Timers::new(),
            pairs: vec![Pair::Free; pairs],
            calls: BTreeMap::new(),
            attempts: BTreeMap::new(),
            silences: Vec::new(),
            is_open: false,
            begun: 0,
            next_call: None,
            to_register: 0..0,
            next_register: Moment::START,
            registered: BTreeSet::new(),
            registering: None,
            finishing: None,
            tally: Tally::default(),
            out: Outbox::new(),
            spoken: Vec::new(),
        })
    }

    /// Turns until it is finished, or nobody wants it any more.
    pub(crate) fn run(&mut self, orders: &Receiver<Order>) {
        strowger_io::sleep_precisely();
        strowger_io::come_first();
        let mut room = vec![0; 65_535];
        loop {
            loop {
                match orders.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let began = self.clock.now();
            self.turn(&mut room);
            if self.is_finished() {
                return self.say_tally();
            }
            std::thread::sleep(TURN.saturating_sub(self.clock.now().since(began)));
            self.tally.stalled = self.tally.stalled.max(self.clock.now().since(began).saturating_sub(TURN));
        }
    }

    fn obey(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Register(answer) => {
                self.to_register = 0..self.handsets.len();
                self.registering = Some((answer, now.after(REGISTERED)));
            }
            Order::Call => {
                self.next_call = Some(now);
                self.tally.unregistered = 0;
            }
            Order::Count(answer) => drop(answer.send(self.count())),
            Order::Open => {
                self.is_open = true;
                self.silences.clear();
                self.calls.values_mut().flat_map(|call| &mut call.ears).for_each(|ear| ear.open(now));
            }
            Order::Close(answer) => {
                self.is_open = false;
                for call in self.calls.values_mut() {
                    self.silences.extend(longest(call, now));
                }
                let _ = answer.send(std::mem::take(&mut self.silences));
            }
            Order::Sounds(answer) => {
                let handsets = &self.handsets;
                // Who is on hold, or waits for it, is silent on purpose, and hears of nothing else meanwhile.
                let steady = self.calls.values_mut().filter(|call| call.plan != Plan::Held);
                let sounds = steady.filter_map(|call| {
                    let call_id = handsets[2 * call.pair + CALLER].dialed.clone()?;
                    let [one, other] = call.sounds.each_mut().map(Sound::take);
                    Some((call_id, one?.min(other?)))
                });
                let _ = answer.send(sounds.collect());
            }
            Order::Finish(answer) => {
                self.next_call = None;
                self.finishing = Some(answer);
                for (&number, call) in &mut self.calls {
                    call.hurry(now);
                    self.timers.set(Due::Call(number), Some(call.deadline()));
                }
            }
        }
    }

    fn count(&self) -> Count {
        let mut count = Count::default();
        for call in self.calls.values() {
            count.up += usize::from(call.was_answered);
            let place = call.passing().and_then(|state| Passing::ALL.iter().position(|it| *it == state));
            count.passing.iter_mut().enumerate().for_each(|(at, held)| {
                *held += usize::from(place == Some(at));
            });
        }
        count
    }

    fn turn(&mut self, room: &mut [u8]) {
        let now = self.clock.now();
        self.listen(now);
        // Without an event there is nothing to read.
        let _ = self.poller.wait(&mut self.events, Some(Duration::ZERO));
        let ready: Vec<usize> = self.events.iter().map(|event| event.token as usize).collect();
        for number in ready {
            for input in self.handsets[number].read(now, room) {
                self.step(number, Some(input));
            }
            self.watch(number);
        }
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Phone(number) => self.wake(number),
                Due::Call(number) => self.act(number),
            }
        }
        self.register(now);
        self.begin_calls(now);
        self.voices.flush();
    }

    /// One phone after the other registers.
    fn register(&mut self, now: Moment) {
        if self.next_register <= now
            && let Some(number) = self.to_register.next()
        {
            self.next_register = now.after(REGISTERING);
            self.step(number, Some(In::Command(Command::Register)));
        }
        let are_all = self.registered.len() == self.handsets.len();
        if let Some((answer, _)) = self.registering.take_if(|(_, until)| are_all || *until <= now) {
            let _ = answer.send(self.registered.len());
        }
    }

    /// Voices that came.
    fn listen(&mut self, now: Moment) {
        let (calls, tally) = (&mut self.calls, &mut self.tally);
        self.voices.read(|heard| {
            let Some(call) = calls.get_mut(&heard.call) else { return };
            let ear = 1 - heard.side;
            if Voices::of(2 * call.pair + ear) == heard.socket {
                let came = Moment::from_micros(now.as_micros() - heard.waited.as_micros() as u64);
                call.ears[ear].heard(came);
                call.sounds[ear].heard(heard.number, came.since(heard.sent));
            } else {
                tally.crossed += 1;
            }
        });
    }

    fn wake(&mut self, number: usize) {
        let now = self.clock.now();
        let late = self.handsets[number].wake(now);
        late.into_iter().for_each(|input| self.step(number, Some(input)));
        self.step(number, None);
    }

    fn watch(&mut self, number: usize) {
        self.timers.set(Due::Phone(number), self.handsets[number].deadline());
    }

    fn step(&mut self, number: usize, input: Option<In>) {
        let now = self.clock.now();
        let events = self.handsets[number].step(now, input, &mut self.out, &mut self.spoken);
        self.watch(number);
        let (pair, side) = (number / 2, number % 2);
        if let Pair::Busy(call) = self.pairs[pair] {
            for voice in self.spoken.drain(..) {
                self.voices.push(number, (call, side), voice, now);
            }
        }
        self.spoken.clear();
        for event in events {
            self.happened(pair, side, &event, now);
        }
    }

    fn happened(&mut self, pair: usize, side: usize, event: &Event, now: Moment) {
        match event {
            Event::Registered(_) => drop(self.registered.insert(2 * pair + side)),
            Event::NotRegistered(_) => self.tally.unregistered += 1,
            _ => {}
        }
        let Pair::Busy(number) = self.pairs[pair] else { return };
        let Some(call) = self.calls.get_mut(&number) else { return };
        let command = call.happened(side, event, now);
        self.timers.set(Due::Call(number), Some(call.deadline()));
        if call.is_over() {
            self.close(number, now);
        } else if let Some(command) = command {
            self.step(2 * pair + side, Some(In::Command(command)));
        }
    }

    /// A call's next thing is due, or its end.
    fn act(&mut self, number: u32) {
        let now = self.clock.now();
        if let Some(call) = self.calls.get_mut(&number) {
            let pair = call.pair;
            if call.is_overdue(now) {
                self.close(number, now);
                return self.spoil(pair);
            }
            let acts = call.act(now);
            self.timers.set(Due::Call(number), Some(call.deadline()));
            if let Some((side, command)) = acts {
                self.step(2 * pair + side, Some(In::Command(command)));
            }
            return;
        }
        self.settle(number, now);
    }

    /// The call is over; its pair is free once everything of it was answered.
    fn close(&mut self, number: u32, now: Moment) {
        let Some(mut call) = self.calls.remove(&number) else { return };
        if self.is_open {
            self.silences.extend(longest(&mut call, now));
        }
        call.close(now);
        let phones = &mut self.handsets[2 * call.pair..2 * call.pair + 2];
        phones.iter_mut().for_each(Handset::forget_slowness);
        let call_id = phones[CALLER].dialed.take().unwrap_or_default();
        self.pairs[call.pair] = Pair::Settling(number);
        let Call { plan, began, wrong, was_turned_away, .. } = call;
        self.attempts.insert(number, Attempt { call_id, plan, began, wrong, was_turned_away });
        self.timers.set(Due::Call(number), Some(now));
    }

    /// A pair whose call did not end is given up.
    fn spoil(&mut self, pair: usize) {
        self.pairs[pair] = Pair::Spoiled;
        for number in [2 * pair + CALLER, 2 * pair + CALLEE] {
            if let Some(line) = self.handsets[number].newest_call() {
                self.step(number, Some(In::Command(Command::HangUp(line))));
            }
        }
    }

    fn settle(&mut self, number: u32, now: Moment) {
        let Some(pair) = self.pairs.iter().position(|pair| *pair == Pair::Settling(number)) else { return };
        let phones = &mut self.handsets[2 * pair..2 * pair + 2];
        let unsettled = phones.iter_mut().map(|phone| usize::from(!phone.is_settled(now))).sum::<usize>();
        if unsettled > 0 {
            return self.timers.set(Due::Call(number), Some(now.after(Duration::from_millis(100))));
        }
        for phone in phones {
            let [byes, others] = std::mem::take(&mut phone.unanswered);
            self.tally.unanswered += byes + others;
            if byes > 0
                && let Some(attempt) = self.attempts.get_mut(&number)
            {
                attempt.wrong.push((now, "a BYE was not answered".to_owned()));
            }
        }
        self.pairs[pair] = Pair::Free;
    }

    fn begin_calls(&mut self, now: Moment) {
        let Some(due) = self.next_call.filter(|due| *due <= now) else { return };
        self.next_call = Some(due.after(self.pace.between()));
        if self.calls.len() >= self.pace.calls + self.pace.calls / 4 {
            return;
        }
        // Pairs take turns, so that each has a while between two calls.
        let count = self.pairs.len();
        let first = self.begun as usize % count;
        let free = (0..count).map(|at| (first + at) % count).find(|&pair| self.pairs[pair] == Pair::Free);
        let Some(pair) = free else { return };
        self.begun += 1;
        let number = self.begun;
        let plan = Plan::ALL[number as usize % Plan::ALL.len()];
        self.pairs[pair] = Pair::Busy(number);
        self.slow_down(plan, pair);
        self.step(2 * pair, Some(In::Command(Command::Call(user(2 * pair + CALLEE)))));
        let line = self.handsets[2 * pair].newest_call();
        let call = Call::begin((plan, pair), line, self.pace, now);
        self.timers.set(Due::Call(number), Some(call.deadline()));
        self.calls.insert(number, call);
    }

    /// The phones of a pair are slow where the plan of their next call wants it.
    fn slow_down(&mut self, plan: Plan, pair: usize) {
        let long = self.pace.linger();
        let mut slow = |side: usize, matter| self.handsets[2 * pair + side].be_slow(matter, long);
        match plan {
            Plan::SlowCallee => {
                slow(CALLEE, Matter::Invite);
                slow(CALLEE, Matter::Bye);
            }
            Plan::LateAck => slow(CALLER, Matter::Answer),
            Plan::GivenUp => slow(CALLEE, Matter::Cancel),
            Plan::Held => slow(CALLEE, Matter::Hold),
            Plan::EarlyMedia => {}
        }
    }

    fn is_finished(&self) -> bool {
        self.finishing.is_some() && self.pairs.iter().all(|pair| matches!(pair, Pair::Free | Pair::Spoiled))
    }

    fn say_tally(&mut self) {
        self.tally.attempts = std::mem::take(&mut self.attempts).into_values().collect();
        if let Some(answer) = self.finishing.take() {
            let _ = answer.send(std::mem::take(&mut self.tally));
        }
    }
}

/// The longest silence of a call since the window was opened.
fn longest(call: &mut Call, now: Moment) -> Option<Silence> {
    call.ears.iter_mut().filter_map(|ear| ear.close(now)).max()
}

/// The user of a phone.
fn user(number: usize) -> String {
    crate::host::user(number)
}
