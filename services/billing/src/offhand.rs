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
    /// Only where nothing costs anything, and no call is under way of a time when it did: neither in the journal,
    /// which is `idle` then, nor in the books (which are not waited for).
    pub(crate) async fn new(config: &Config, store: &Store, idle: bool) -> Result<Self, StoreError> {
        if !config.rate.is_free() || !idle {
            return Ok(Offhand(None));
        }
        let no_books = match store.ledger().count_open().await {
            Ok(open) => open == 0,
            Err(error) if error.is_away() => true,
            Err(error) => return Err(error),
        };
        Ok(Offhand(no_books.then(|| Arc::new(config.rate.clone()))))
    }

    /// The answer, if it needs no books.
    pub(crate) fn answer(&self, question: &Question) -> Option<Answer> {
        billing::offhand(self.0.as_deref()?, question)
    }
}
