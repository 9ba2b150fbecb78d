//! What the store said a moment ago, for while it is away: an operator must be let in just then.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::TenantId;
use store::{Store, StoreError, Token};

/// A token that was not confirmed for so long opens nothing.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// So many are remembered.
const TOKENS: usize = 10_000;

/// Tokens and the names of tenants, as they were last read.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    tokens: Mutex<BTreeMap<String, (Token, Instant)>>,
    names: Mutex<BTreeMap<TenantId, String>>,
}

impl Recall {
    /// The token of that hash.
    pub(crate) async fn token(&self, store: &Store, hash: &str) -> Result<Option<Token>, StoreError> {
        let found = store.tokens().find(hash).await;
        let mut known = lock(&self.tokens);
        match &found {
            Ok(Some(token)) => {
                if known.len() >= TOKENS {
                    known.clear();
                }
                known.insert(hash.to_owned(), (token.clone(), Instant::now()));
            }
            Ok(None) => drop(known.remove(hash)),
            Err(error) if error.is_away() => {
                let good = known.get(hash).filter(|(_, confirmed)| confirmed.elapsed() < GOOD_FOR);
                if let Some((token, _)) = good {
                    return Ok(Some(token.clone()));
                }
            }
            Err(_) => {}
        }
        found
    }

    /// The names of all tenants.
    pub(crate) async fn names(&self, store: &Store) -> Result<BTreeMap<TenantId, String>, StoreError> {
        match store.tenants().all().await {
            Ok(tenants) => {
                let names: BTreeMap<_, _> =
                    tenants.into_iter().map(|tenant| (tenant.id, tenant.name)).collect();
                lock(&self.names).clone_from(&names);
                Ok(names)
            }
            // Who is not remembered is shown by its number.
            Err(error) if error.is_away() => Ok(lock(&self.names).clone()),
            Err(error) => Err(error),
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
