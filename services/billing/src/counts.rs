use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use billing::Answer;
use contract::billing::Reserved;
use contract::query::Gauges;

/// What billing did since it was started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    granted: AtomicU64,
    refused: AtomicU64,
    settled: AtomicU64,
    abandoned: AtomicU64,
    transactions: AtomicU64,
    failures: AtomicU64,
    charged: AtomicI64,
}

impl Counts {
    /// Something was answered that changed the books, or would have if it cost anything.
    pub(crate) fn answered(&self, answer: &Answer) {
        let count = match answer {
            Answer::Reserved(Reserved::Granted { .. }) => &self.granted,
            Answer::Reserved(Reserved::Refused { .. } | Reserved::Unknown) => &self.refused,
            Answer::Settled(settled) => {
                self.charged.fetch_add(settled.charged.micros, Ordering::Relaxed);
                &self.settled
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn abandoned(&self, calls: usize) {
        self.abandoned.fetch_add(calls as u64, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gauges(&self, open: u64) -> Gauges {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let values = [
            ("billing_reservations_open", open as f64),
            ("billing_granted_total", read(&self.granted)),
            ("billing_refused_total", read(&self.refused)),
            ("billing_settled_total", read(&self.settled)),
            ("billing_abandoned_total", read(&self.abandoned)),
            ("billing_transactions_total", read(&self.transactions)),
            ("billing_failures_total", read(&self.failures)),
            ("billing_charged_micros_total", self.charged.load(Ordering::Relaxed) as f64),
        ];
        Gauges { values: values.map(|(name, value)| (name.to_owned(), value)).into() }
    }
}
