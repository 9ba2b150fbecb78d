//! Turns the till: questions come in, what is decided goes to the journal, then the answers out.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use billing::{Answer, Asked, In, Out, Question, RESERVATION, Till};
use journal::{Journal, Kept, OpenError, Recovered};
use machine::{Machine, Moment, Outbox};
use strowger_io::{Clock, MappedFile};
use tokio::sync::{mpsc, oneshot};

use crate::books::Order;
use crate::counts::Counts;
use crate::{Config, StartError};

/// A question, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) question: Question,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The till, and all that it works with.
#[derive(Debug)]
pub(crate) struct Performer {
    till: Till,
    journal: Journal<MappedFile>,
    clock: Clock,
    counts: Arc<Counts>,
    orders: mpsc::UnboundedSender<Order>,
    asking: BTreeMap<u64, oneshot::Sender<Answer>>,
    asked: u64,
    out: Outbox<Out>,
}

impl Performer {
    /// Goes on where the journal ends.
    pub(crate) fn open(
        config: &Config,
        clock: Clock,
        counts: Arc<Counts>,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Result<Self, StartError> {
        let (journal, recovered) = open(&config.journal, config.journal_bytes, clock.now())?;
        for damage in &recovered.damage {
            tracing::warn!(?damage, "billing's journal is broken there; the rest was used");
        }
        let mut till = Till::new(config.rate.clone(), config.abandon_after, config.offline);
        let mut restored = 0;
        for entry in journal.live().filter(|entry| entry.tag == RESERVATION && !entry.body.is_empty()) {
            match till.restore(clock.now(), entry.body) {
                true => restored += 1,
                false => tracing::error!(call = %entry.key.0, "what was kept of a call cannot be read"),
            }
        }
        if !recovered.fresh {
            tracing::info!(calls = restored, "billing goes on where its predecessor was");
        }
        let (asking, out) = (BTreeMap::new(), Outbox::new());
        let performer = Performer { till, journal, clock, counts, orders, asking, asked: 0, out };
        performer.gauge();
        Ok(performer)
    }

    /// Whether a call is under way, or over and not in the books yet.
    pub(crate) fn is_idle(&self) -> bool {
        self.till.open() == 0 && self.till.unwritten() == 0
    }

    /// How long until the till has to do something by itself.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let now = self.clock.now();
        self.till.next_deadline().map(|at| at.since(now))
    }

    /// Decides about all `jobs`, and answers those that can be answered.
    pub(crate) fn answer(&mut self, jobs: impl IntoIterator<Item = Job>) {
        let now = self.clock.now();
        self.journal.begin([]);
        for Job { question, answer } in jobs {
            self.asked += 1;
            self.asking.insert(self.asked, answer);
            let call = question.call();
            let asked = In::Asked(Asked { id: self.asked, question });
            let mark = self.out.mark();
            // The till changes only once it has decided: a question that makes it panic leaves it as it was.
            if catch_unwind(AssertUnwindSafe(|| self.till.handle(now, asked, &mut self.out))).is_err() {
                self.out.cut_back(mark);
                self.asking.remove(&self.asked);
                tracing::error!(%call, "a question about a call makes billing panic");
            }
        }
        self.keep_and_say();
    }

    /// The books say something.
    pub(crate) fn hear(&mut self, said: impl IntoIterator<Item = In>) {
        let now = self.clock.now();
        self.journal.begin([]);
        for said in said {
            match &said {
                In::Written(_) => self.counts.committed(),
                In::Away => self.counts.failed(),
                In::Asked(_) | In::Read { .. } | In::Silent(_) => {}
            }
            self.till.handle(now, said, &mut self.out);
        }
        self.keep_and_say();
    }

    /// What is due.
    pub(crate) fn expire(&mut self) {
        self.journal.begin([]);
        self.till.expire(self.clock.now(), &mut self.out);
        self.keep_and_say();
    }

    /// Has calls looked for of which nobody speaks any more.
    pub(crate) fn look_for_silent(&self) {
        // The books outlive the till.
        let _ = self.orders.send(Order::FindSilent(self.till.silent_before(self.clock.now())));
    }

    fn keep_and_say(&mut self) {
        for record in self.out.keep.drain(..) {
            if self.journal.append(&record) == Kept::Unprotected {
                self.counts.unprotected.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.journal.commit();
        for out in self.out.emit.drain(..) {
            match out {
                Out::Tell(told) => {
                    if told.changed {
                        self.counts.answered(&told.answer);
                    }
                    // Whoever asked may have stopped waiting.
                    let asker = self.asking.remove(&told.id);
                    let _ = asker.map(|asker| asker.send(told.answer));
                }
                Out::Leave(id) => drop(self.asking.remove(&id)),
                order @ (Out::Read { .. } | Out::Write(_)) => {
                    let _ = self.orders.send(Order::Of(order));
                }
            }
        }
        self.journal.sent();
        self.gauge();
    }

    fn gauge(&self) {
        self.counts.open.store(self.till.open() as u64, Ordering::Relaxed);
        self.counts.unwritten.store(self.till.unwritten() as u64, Ordering::Relaxed);
        self.counts.away.store(self.till.is_away(), Ordering::Relaxed);
    }
}

/// The journal at `path`; one that another release wrote is begun anew.
fn open(path: &Path, bytes: usize, now: Moment) -> Result<(Journal<MappedFile>, Recovered), StartError> {
    match Journal::open(MappedFile::create(path, bytes)?, now) {
        Err(OpenError::Version(version)) => {
            tracing::warn!(journal = %path.display(), version, "another release wrote it; it begins anew");
            let journal = Journal::create(MappedFile::create(path, bytes)?, now).map_err(OpenError::from)?;
            Ok((journal, Recovered { fresh: true, ..Recovered::default() }))
        }
        opened => Ok(opened?),
    }
}
