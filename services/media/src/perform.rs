//! Carries out what was decided.

use std::sync::{Arc, Mutex};

use contract::media::{Anchor, Gauge, Release};
use contract::query::Gauges;
use contract::{CallId, Envelope};
use host::{Blame, Damage, Shell};
use machine::{Key, Moment, Tag};
use media::{Ask, In, Media, Out};

use crate::desk::Desk;
use crate::ports::Ports;

/// Asks that a thread asks itself, to tell its colleagues how it does.
pub(crate) const OWN: Ask = Ask(0);

/// How each thread does, as it said last.
pub(crate) type Board = Arc<Vec<Mutex<Gauges>>>;

/// A thread's hands.
#[derive(Debug)]
pub(crate) struct Hands {
    pub(crate) number: usize,
    pub(crate) ports: Ports,
    pub(crate) desk: Desk,
    pub(crate) board: Board,
    /// Counts of the shell, to stand beside those of the machine.
    pub(crate) extra: Vec<(String, f64)>,
}

impl Hands {
    fn post(&self, gauges: Gauges) {
        if let Some(Ok(mut slot)) = self.board.get(self.number).map(|slot| slot.lock()) {
            *slot = gauges;
        }
    }

    /// What all threads said, added up.
    fn sum(&self) -> Gauges {
        let mut values: Vec<(String, f64)> = Vec::new();
        for slot in self.board.iter() {
            let Ok(slot) = slot.lock() else { continue };
            for (name, value) in &slot.values {
                match values.iter_mut().find(|known| known.0 == *name) {
                    Some(known) => known.1 += value,
                    None => values.push((name.clone(), *value)),
                }
            }
        }
        Gauges { values }
    }

    /// Port pairs of all threads, and those that are lent, as they said last.
    pub(crate) fn pool(&self) -> [u32; 2] {
        let sum = self.sum();
        let value = |name: &str| sum.values.iter().find(|known| known.0 == name).map_or(0.0, |known| known.1);
        [value("media_ports") as u32, value("media_ports_lent") as u32]
    }

    fn gauged(&mut self, ask: Ask, mut gauges: Gauges) {
        gauges.values.push(("media_packets_unsent_total".to_owned(), self.ports.unsent as f64));
        gauges.values.extend(self.extra.iter().cloned());
        self.post(gauges);
        if ask != OWN {
            let sum = self.sum();
            self.desk.answer::<Gauge>(ask, &sum);
        }
    }
}

impl Shell<Media> for Hands {
    fn decode(&mut self, _now: Moment, _source: &[u8], _bytes: &[u8]) -> Option<In> {
        // Nothing that comes is journaled: whoever wishes something wishes it again.
        None
    }

    fn encode(&mut self, _out: &Out, _kept: &mut Vec<u8>) {}

    fn perform(&mut self, _now: Moment, out: Out) {
        match out {
            Out::Anchored { ask, answer } => self.desk.answer::<Anchor>(ask, &answer),
            Out::Released { ask, answer } => self.desk.answer::<Release>(ask, &answer),
            Out::Gauged { ask, answer } => self.gauged(ask, answer),
            Out::Noticed { shard, notice } => self.desk.notice(Envelope::notice(Some(shard), &notice)),
            Out::Open { pair } => warn(self.ports.open(pair)),
            Out::Reopen { pair } => warn(self.ports.reopen(pair)),
            Out::Close { pair } => warn(self.ports.close(pair)),
            Out::Send { socket, to, datagram } => self.ports.send(socket, to, &datagram),
        }
    }

    fn perform_again(&mut self, _now: Moment, _kept: &[u8]) {}

    fn set_aside(&mut self, _source: &[u8], _bytes: &[u8], blame: Blame) {
        match blame {
            Blame::Thing(_, key, deaths) => {
                let call = CallId(key.0 as u64);
                tracing::error!(%call, deaths, "a call's sound was in hand at deaths: nothing is played to it any more");
            }
            blame => {
                tracing::error!(?blame, "a call's sound could not be decided about; it was set up again")
            }
        }
    }

    fn lost(&mut self, tag: Tag, key: Key, message: String) {
        let call = CallId(key.0 as u64);
        tracing::error!(%call, ?tag, message, "a record could not be taken up");
    }

    fn damaged(&mut self, damage: Damage) {
        tracing::error!(?damage, "a record is not as it was written: it is lost");
    }
}

fn warn(done: strowger_io::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "a port of the pool");
    }
}
