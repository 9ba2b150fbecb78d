use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use billing::{Answer, Decided, Question, decide};
use contract::{CallId, TenantId};
use ledger::{Account, Posting, Purse, Rate, Reservation};
use machine::Moment;
use store::{Book, Store, StoreError};
use strowger_io::Clock;
use tokio::sync::oneshot;

use crate::Config;
use crate::counts::Counts;

/// So many lost calls are released at once.
const ABANDONED_AT_ONCE: u32 = 500;

/// A question, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) question: Question,
    pub(crate) answer: oneshot::Sender<Answer>,
}

type Payer = (TenantId, String);

/// Has the core decide and carries out what it decided.
#[derive(Debug)]
pub(crate) struct Performer {
    rate: Rate,
    abandon_after: Duration,
    store: Store,
    clock: Clock,
    counts: Arc<Counts>,
}

impl Performer {
    pub(crate) fn new(config: Config, store: Store, clock: Clock, counts: Arc<Counts>) -> Self {
        let Config { rate, abandon_after } = config;
        Performer { rate, abandon_after, store, clock, counts }
    }

    /// Answers all of `jobs`, or as many of them as the store allows.
    pub(crate) async fn answer(&mut self, jobs: Vec<Job>) {
        match self.transact(&jobs.iter().map(|job| &job.question).collect::<Vec<_>>()).await {
            Ok(answers) => tell(jobs, answers),
            Err(error) => {
                self.counts.failed();
                tracing::warn!(%error, questions = jobs.len(), "the books of calls could not be written");
                self.answer_one_by_one(jobs).await;
            }
        }
    }

    /// One question that cannot be answered must not stand in the way of those that came with it.
    async fn answer_one_by_one(&mut self, jobs: Vec<Job>) {
        if jobs.len() < 2 {
            return;
        }
        for job in jobs {
            match self.transact(&[&job.question]).await {
                Ok(answers) => tell(vec![job], answers),
                Err(error) => {
                    self.counts.failed();
                    let call = job.question.call();
                    tracing::warn!(%error, %call, "the books of a call could not be written");
                }
            }
        }
    }

    /// Releases what is set aside for calls that nobody speaks of any more.
    pub(crate) async fn abandon_silent(&mut self) {
        let now = self.clock.now();
        let before =
            Moment::from_micros(now.as_micros().saturating_sub(self.abandon_after.as_micros() as u64));
        match self.abandon(now, before).await {
            Ok(0) => {}
            Ok(calls) => {
                self.counts.abandoned(calls);
                tracing::warn!(calls, "reservations of lost calls are released");
            }
            Err(error) => tracing::warn!(%error, "reservations of lost calls could not be released"),
        }
    }

    async fn abandon(&self, now: Moment, before: Moment) -> Result<usize, StoreError> {
        let mut book = self.store.ledger().open().await?;
        let mut silent = book.silent(before, ABANDONED_AT_ONCE).await?;
        let mut changes = Changes::default();
        for reservation in &mut silent {
            let postings = reservation.abandon();
            changes.post(reservation.call, postings);
        }
        book.keep(&silent.iter().collect::<Vec<_>>()).await?;
        changes.write(&mut book, now).await?;
        book.commit().await?;
        Ok(silent.len())
    }

    async fn transact(&self, questions: &[&Question]) -> Result<Vec<Answer>, StoreError> {
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let mut book = self.store.ledger().open().await?;
        let mut known = Known::read(&mut book, questions).await?;
        let mut changes = Changes::default();
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            let decided = known.decide(now, &self.rate, question);
            known.remember(&decided);
            changes.post(question.call(), decided.postings);
            answers.push((decided.answer, decided.changed));
        }
        changes.balances.retain(|payer, _| known.purses.get(payer) != Some(&Purse::Postpaid));
        book.keep(&known.changed()).await?;
        changes.write(&mut book, now).await?;
        book.commit().await?;
        self.counts.committed();
        answers.iter().filter(|(_, changed)| *changed).for_each(|(answer, _)| self.counts.answered(answer));
        Ok(answers.into_iter().map(|(answer, _)| answer).collect())
    }
}

fn tell(jobs: Vec<Job>, answers: Vec<Answer>) {
    for (job, answer) in jobs.into_iter().zip(answers) {
        // Whoever asked may have stopped waiting.
        let _ = job.answer.send(answer);
    }
}

/// What the books say about the calls and payers of one batch, kept up to date while it is decided.
struct Known {
    reservations: BTreeMap<CallId, Reservation>,
    changed: BTreeSet<CallId>,
    purses: BTreeMap<Payer, Purse>,
}

impl Known {
    async fn read(book: &mut Book, questions: &[&Question]) -> Result<Self, StoreError> {
        let calls: BTreeSet<CallId> = questions.iter().map(|question| question.call()).collect();
        let calls: Vec<CallId> = calls.into_iter().collect();
        let payers: BTreeSet<Payer> =
            questions.iter().map(|question| (question.payer().0, question.payer().1.to_owned())).collect();
        let payers: Vec<Payer> = payers.into_iter().collect();
        Ok(Known {
            reservations: book.reservations(&calls).await?,
            changed: BTreeSet::new(),
            purses: book.purses(&payers).await?,
        })
    }

    fn decide(&self, now: Moment, rate: &Rate, question: &Question) -> Decided {
        let (tenant, account) = question.payer();
        let purse = self.purses.get(&(tenant, account.to_owned())).copied().unwrap_or(Purse::Missing);
        decide(now, rate, question, self.reservations.get(&question.call()).cloned(), purse)
    }

    fn remember(&mut self, decided: &Decided) {
        if !decided.changed {
            return;
        }
        let reservation = decided.reservation.clone();
        let payer = (reservation.tenant, reservation.account.clone());
        if let Some(Purse::Prepaid(left)) = self.purses.get_mut(&payer) {
            *left += decided.postings.iter().map(|posting| moved(posting, &payer)).sum::<i64>();
        }
        self.changed.insert(reservation.call);
        self.reservations.insert(reservation.call, reservation);
    }

    fn changed(&self) -> Vec<&Reservation> {
        self.changed.iter().filter_map(|call| self.reservations.get(call)).collect()
    }
}

/// By how much `posting` changes what `payer` has.
fn moved(posting: &Posting, payer: &Payer) -> i64 {
    let is_payers = |account: &Account| matches!(account, Account::User { tenant, name } if (*tenant, name) == (payer.0, &payer.1));
    let sign = i64::from(is_payers(&posting.to)) - i64::from(is_payers(&posting.from));
    sign * posting.micros
}

/// What a batch writes besides its reservations.
#[derive(Default)]
struct Changes {
    postings: Vec<(CallId, Posting)>,
    balances: BTreeMap<Payer, i64>,
}

impl Changes {
    fn post(&mut self, call: CallId, postings: Vec<Posting>) {
        for posting in postings {
            for (account, micros) in [(&posting.from, -posting.micros), (&posting.to, posting.micros)] {
                if let Account::User { tenant, name } = account {
                    *self.balances.entry((*tenant, name.clone())).or_default() += micros;
                }
            }
            self.postings.push((call, posting));
        }
    }

    async fn write(&self, book: &mut Book, now: Moment) -> Result<(), StoreError> {
        book.post(now, &self.postings).await?;
        for ((tenant, name), &micros) in self.balances.iter().filter(|(_, micros)| **micros != 0) {
            book.add_to_balance((*tenant, name), micros).await?;
        }
        Ok(())
    }
}
