//! What costs nothing is answered at once: no books, no queue.

use std::sync::Arc;

use billing::{Answer, Question};
use ledger::Rate;
use store::{Store, StoreError};

use crate::Config;

/// Answers offhand, or not.
#[derive(Clone, Debug)]
pub(crate) struct Offhand(Option<Arc<Rate>>);

impl Offhand {
    /// Only where nothing costs anything, and no call is under way of a time when it did.
    pub(crate) async fn new(config: &Config, store: &Store) -> Result<Self, StoreError> {
        let no_books = config.rate.is_free() && store.ledger().count_open().await? == 0;
        Ok(Offhand(no_books.then(|| Arc::new(config.rate.clone()))))
    }

    /// The answer, if it needs no books.
    pub(crate) fn answer(&self, question: &Question) -> Option<Answer> {
        billing::offhand(self.0.as_deref()?, question)
    }
}
