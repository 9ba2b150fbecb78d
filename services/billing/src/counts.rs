use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use billing::Answer;
use contract::billing::Reserved;
use contract::query::Gauges;

/// What billing did since it was started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    granted: AtomicU64,
    refused: AtomicU64,
    settled: AtomicU64,
    transactions: AtomicU64,
    failures: AtomicU64,
    charged: AtomicI64,
    pub(crate) unprotected: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) unwritten: AtomicU64,
    pub(crate) away: AtomicBool,
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

    pub(crate) fn committed(&self) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gauges(&self) -> Gauges {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let values = [
            ("billing_reservations_open", read(&self.open)),
            ("billing_unwritten", read(&self.unwritten)),
            ("billing_books_away", f64::from(u8::from(self.away.load(Ordering::Relaxed)))),
            ("billing_unprotected_total", read(&self.unprotected)),
            ("billing_granted_total", read(&self.granted)),
            ("billing_refused_total", read(&self.refused)),
            ("billing_settled_total", read(&self.settled)),
            ("billing_transactions_total", read(&self.transactions)),
            ("billing_failures_total", read(&self.failures)),
            ("billing_charged_micros_total", self.charged.load(Ordering::Relaxed) as f64),
        ];
        Gauges { values: values.map(|(name, value)| (name.to_owned(), value)).into() }
    }
}
