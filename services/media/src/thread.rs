//! A packet thread: wait, forward what came, decide what is seldom, and wait again. No packet waits for anything
//! but those before it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use host::{Beat, Turn};
use machine::{Machine, Moment};
use media::{In, Media, Socket, Sounds, Verdict};
use strowger_io::{Clock, Events, Interest, MappedFile, Timer, Waker};

use crate::pace::Pace;
use crate::perform::{Hands, OWN};
use crate::probing::Probing;

/// The longest time between two looks: a thread shows twice in each beat that it lives.
const NAP: Duration = Duration::from_millis(50);
/// Events at one look.
const EVENTS: usize = 1_024;
/// No datagram that we forward is longer.
const LONGEST: usize = 4_096;
/// How often a thread says how it does.
const POST_EVERY: Duration = Duration::from_secs(1);

const BUS: u64 = u64::MAX;
const WAKER: u64 = u64::MAX - 1;
const TIMER: u64 = u64::MAX - 2;
const PROBE: u64 = u64::MAX - 3;

/// What a thread needs to run.
pub(crate) struct PacketThread {
    pub(crate) turn: Turn<Media, MappedFile>,
    pub(crate) hands: Hands,
    pub(crate) clock: Clock,
    pub(crate) pace: Pace,
    pub(crate) waker: Waker,
    pub(crate) beat: Option<Beat>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) sounds: Receiver<Sounds>,
    pub(crate) probing: Option<Probing>,
}

/// What changes from look to look.
struct Work {
    events: Events,
    ready: Vec<Socket>,
    inputs: Vec<In>,
    buffer: Box<[u8; LONGEST]>,
    posted: Moment,
    /// A probe came.
    is_probed: bool,
    /// Rings for deadlines. Left alone on most looks: setting a timer costs as much as a packet.
    timer: Timer,
    rings: Moment,
}

impl PacketThread {
    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) -> strowger_io::Result<()> {
        strowger_io::sleep_precisely();
        // A packet that waits is heard; whatever else runs here can wait.
        if !strowger_io::come_first() {
            tracing::debug!("packets are of usual priority: the system allows no other");
        }
        self.hands.ports.poller.add(&self.waker, WAKER, Interest::READ)?;
        if let Some(mailbox) = self.hands.desk.mailbox() {
            self.hands.ports.poller.add(mailbox, BUS, Interest::READ)?;
        }
        if let Some(probing) = &self.probing {
            self.hands.ports.poller.add(&probing.socket, PROBE, Interest::READ)?;
        }
        let mut work = Work {
            events: Events::new(EVENTS),
            ready: Vec::with_capacity(EVENTS),
            inputs: Vec::new(),
            buffer: Box::new([0; LONGEST]),
            posted: Moment::START,
            is_probed: false,
            timer: Timer::new()?,
            rings: Moment::NEVER,
        };
        self.hands.ports.poller.add(&work.timer, TIMER, Interest::READ)?;
        self.wind(self.clock.now(), &mut work)?;
        while !self.stop.load(Ordering::Relaxed) {
            self.look(&mut work)?;
        }
        Ok(())
    }

    fn look(&mut self, work: &mut Work) -> strowger_io::Result<()> {
        if self.pace.is_busy()
            && let Some(pause) = self.pace.pause(self.clock.now())
        {
            std::thread::sleep(pause);
        }
        self.hands.ports.poller.wait(&mut work.events, None)?;
        let now = self.clock.now();
        self.sort(work);
        self.pace.looked(now, work.ready.len());
        self.forward(now, work);
        self.probe(now, work);
        self.decide(now, work);
        if let Some(beat) = &self.beat {
            beat.tick();
        }
        self.wind(now, work)
    }

    /// Sets the timer, if something is due before it rings.
    fn wind(&mut self, now: Moment, work: &mut Work) -> strowger_io::Result<()> {
        let due = self.turn.machine.next_deadline().unwrap_or(Moment::NEVER);
        let due = self.probing.as_ref().map_or(due, |probing| probing.next_deadline().min(due));
        let due = if work.rings == Moment::NEVER { due.min(now.after(NAP)) } else { due };
        if due < work.rings {
            work.rings = due;
            work.timer.set(due.since(self.clock.now()))?;
        }
        Ok(())
    }

    fn sort(&mut self, work: &mut Work) {
        work.ready.clear();
        let mut called = false;
        for event in work.events.iter() {
            match event.token {
                BUS => called = true,
                WAKER => called |= self.waker.drain(),
                TIMER => {
                    work.timer.drain();
                    work.rings = Moment::NEVER;
                }
                PROBE => work.is_probed = true,
                number => work.ready.push(Socket::of(number as u32)),
            }
        }
        if called {
            self.hands.desk.collect(&mut work.inputs);
            work.inputs.extend(self.sounds.try_iter().map(|sounds| In::Sounds { sounds }));
        }
    }

    /// One packet of each socket that has some; those that have more are told again.
    fn forward(&mut self, now: Moment, work: &mut Work) {
        let mut next = 0;
        while next < work.ready.len() {
            let Work { ready, buffer, .. } = work;
            let done = catch_unwind(AssertUnwindSafe(|| {
                while let Some(&socket) = ready.get(next) {
                    next += 1;
                    self.forward_one(now, socket, &mut buffer[..]);
                }
            }));
            if done.is_err() {
                work.inputs.push(In::Poisoned { socket: work.ready[next - 1] });
            }
        }
    }

    #[inline]
    fn forward_one(&mut self, now: Moment, socket: Socket, buffer: &mut [u8]) {
        let Some((length, source)) = self.hands.ports.receive(socket, buffer) else { return };
        let datagram = &buffer[..length];
        match self.turn.machine.relay(now, socket, source, datagram) {
            Verdict::Forward { socket, to } => self.hands.ports.send(socket, to, datagram),
            Verdict::Consume | Verdict::Drop => {}
        }
    }

    /// Answers probes, asks others, and tells exchanges what is known.
    fn probe(&mut self, now: Moment, work: &mut Work) {
        let Some(probing) = &mut self.probing else { return };
        if std::mem::take(&mut work.is_probed) {
            probing.receive(now);
        }
        if probing.next_deadline() > now {
            return;
        }
        probing.ask(now);
        if let Some(conditions) = probing.tell(now, || self.hands.pool()) {
            self.hands.desk.notice(conditions);
            self.hands.desk.flush();
        }
    }

    /// Everything but packets; most looks bring nothing of it.
    fn decide(&mut self, now: Moment, work: &mut Work) {
        if self.turn.machine.is_unsettled() {
            work.inputs.push(In::Settle);
        }
        if now.since(work.posted) >= POST_EVERY {
            work.posted = now;
            self.count();
            work.inputs.push(In::Gauge { ask: OWN });
        }
        let due = self.turn.machine.next_deadline().is_some_and(|due| due <= now);
        if !work.inputs.is_empty() || due {
            let nothing: &[(&[u8], &[u8])] = &[];
            self.turn.run(now, nothing, &mut work.inputs, &mut self.hands);
            self.hands.desk.flush();
        }
    }

    fn count(&mut self) {
        let journal = self.turn.journal.stats();
        let own = [
            ("media_journal_unprotected_total", journal.unprotected as f64),
            ("media_journal_live_bytes", journal.live_bytes as f64),
            ("media_panics_total", self.turn.stats().panics as f64),
        ];
        let paths = self.probing.as_ref().map(Probing::gauges).unwrap_or_default();
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        self.hands.extra = own.chain(paths).collect();
    }
}
