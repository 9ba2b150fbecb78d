use std::collections::BTreeMap;
use std::time::Duration;

use machine::{Machine as _, Moment, Outbox, Timers};
use phone::{Command, Event, In};
use strowger_io::{Clock, Events, Poller};

use super::handset::{Handset, PhoneError};

/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(500);

/// For saying good-bye to the registrar.
const LEAVING: Duration = Duration::from_secs(2);

/// Any number of phones in one loop.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) clock: Clock,
    phones: Vec<Handset>,
    timers: Timers<usize>,
    /// Phones whose connection is gone, and when to try again.
    cut: BTreeMap<usize, Moment>,
    poller: Poller,
    events: Events,
    room: Vec<u8>,
    out: Outbox<phone::Out>,
}

impl Desk {
    pub(crate) fn new() -> Result<Desk, PhoneError> {
        Ok(Desk {
            clock: Clock::start(Moment::START),
            phones: Vec::new(),
            timers: Timers::new(),
            cut: BTreeMap::new(),
            poller: Poller::new()?,
            events: Events::new(512),
            room: vec![0; 65_535],
            out: Outbox::new(),
        })
    }

    /// Puts a phone on the desk, and says its number.
    pub(crate) fn add(&mut self, handset: Handset) -> Result<usize, PhoneError> {
        handset.watch(&self.poller, self.phones.len() as u64)?;
        self.phones.push(handset);
        Ok(self.phones.len() - 1)
    }

    /// Uses a phone.
    pub(crate) fn command(&mut self, phone: usize, command: Command, told: &mut Vec<(usize, Event)>) {
        self.step(phone, Some(In::Command(command)), told);
    }

    /// Waits for something to happen, `most` at most, and tells what did.
    pub(crate) fn turn(&mut self, most: Duration, told: &mut Vec<(usize, Event)>) -> Result<(), PhoneError> {
        let now = self.clock.now();
        let wait = self.timers.next().map_or(most, |at| at.since(now).min(most));
        self.poller.wait(&mut self.events, Some(wait))?;
        let mut came = Vec::new();
        let tokens: Vec<u64> = self.events.iter().map(|event| event.token).collect();
        for token in tokens {
            let index = (token / 4) as usize;
            let Some(handset) = self.phones.get_mut(index) else { continue };
            handset.ready(token, &mut self.room, &mut came);
            if handset.is_cut() {
                self.cut.entry(index).or_insert(now);
            }
            for input in came.drain(..) {
                self.step(index, Some(input), told);
            }
        }
        self.reconnect(told);
        let now = self.clock.now();
        while let Some(index) = self.timers.pop_due(now) {
            self.step(index, None, told);
        }
        Ok(())
    }

    /// The first `registered` phones unregister; whoever gets no answer within [`LEAVING`] leaves all the same.
    pub(crate) fn leave(&mut self, registered: usize) -> Result<(), PhoneError> {
        let (mut told, mut gone) = (Vec::new(), 0);
        for phone in 0..registered {
            self.command(phone, Command::Unregister, &mut told);
        }
        let until = self.clock.now().after(LEAVING);
        while gone < registered && self.clock.now() < until {
            self.turn(Duration::from_millis(50), &mut told)?;
            let is_end = |event: &Event| matches!(event, Event::Unregistered | Event::NotRegistered(_));
            gone += told.drain(..).filter(|(_, event)| is_end(event)).count();
        }
        Ok(())
    }

    /// Connects the phones again whose exchange hung up on them.
    fn reconnect(&mut self, told: &mut Vec<(usize, Event)>) {
        let now = self.clock.now();
        let due: Vec<usize> =
            self.cut.iter().filter(|(_, at)| **at <= now).map(|(&index, _)| index).collect();
        for index in due {
            let Some(handset) = self.phones.get_mut(index) else { continue };
            if handset.reconnect(&self.poller, index as u64, now).is_ok() {
                self.cut.remove(&index);
                self.step(index, Some(In::Reconnected), told);
            } else {
                self.cut.insert(index, now.after(RETRY));
            }
        }
    }

    fn step(&mut self, index: usize, input: Option<In>, told: &mut Vec<(usize, Event)>) {
        let now = self.clock.now();
        let Some(handset) = self.phones.get_mut(index) else { return };
        match input {
            Some(input) => handset.phone.handle(now, input, &mut self.out),
            None => handset.phone.expire(now, &mut self.out),
        }
        for out in self.out.emit.drain(..) {
            told.extend(handset.perform(now, out).map(|event| (index, event)));
        }
        if handset.is_cut() {
            self.cut.entry(index).or_insert(now);
        }
        self.timers.set(index, handset.phone.next_deadline());
    }
}
