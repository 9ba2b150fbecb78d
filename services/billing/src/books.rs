//! The books, in the store: reads and writes what the till says, one after another.

use std::collections::{BTreeMap, BTreeSet};

use billing::{In, Out, Payer, Written};
use contract::CallId;
use ledger::{Account, Reservation};
use machine::Moment;
use store::{Book, Store, StoreError};
use strowger_io::Clock;
use tokio::sync::mpsc;

/// So many lost calls are looked for at once.
const SILENT: u32 = 500;

/// What the books are to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// What the till says.
    Of(Out),
    /// Find calls of which nobody spoke since.
    FindSilent(Moment),
}

/// Does all `orders` in turn, and tells the till.
pub(crate) async fn keep(
    store: Store,
    clock: Clock,
    mut orders: mpsc::UnboundedReceiver<Order>,
    till: mpsc::UnboundedSender<In>,
) {
    while let Some(order) = orders.recv().await {
        let answer = match order {
            Order::Of(Out::Read { calls, payers }) => Some(read(&store, calls, payers).await),
            Order::Of(Out::Write(states)) => Some(write(&store, clock.now(), states).await),
            Order::Of(Out::Tell(_) | Out::Leave(_)) => None,
            // Nobody waits for these: the next search finds them.
            Order::FindSilent(before) => find_silent(&store, before).await.ok().map(In::Silent),
        };
        if let Some(answer) = answer
            && till.send(answer).is_err()
        {
            return;
        }
    }
}

async fn read(store: &Store, calls: Vec<CallId>, payers: Vec<Payer>) -> In {
    let reading = async {
        let ledger = store.ledger();
        Ok::<_, StoreError>((ledger.reservations(&calls).await?, ledger.purses(&payers).await?))
    };
    match reading.await {
        Ok((found, purses)) => {
            // Whoever was not found is not there.
            let purses = payers.into_iter().map(|payer| {
                let purse = purses.get(&payer).copied().unwrap_or(ledger::Purse::Missing);
                (payer, purse)
            });
            In::Read { purses: purses.collect(), found: found.into_values().collect(), calls }
        }
        Err(error) => {
            tracing::warn!(%error, "the books of calls cannot be read");
            In::Away
        }
    }
}

async fn find_silent(store: &Store, before: Moment) -> Result<Vec<Reservation>, StoreError> {
    store.ledger().silent(before, SILENT).await
}

/// Writes all `states`, or those that can be written: one that cannot be must not stand in the way of others.
async fn write(store: &Store, now: Moment, states: Vec<Reservation>) -> In {
    let error = match try_write(store, now, &states).await {
        Ok(written) => return In::Written(written),
        Err(error) => error,
    };
    tracing::warn!(%error, calls = states.len(), "the books of calls could not be written");
    if error.is_away() {
        return In::Away;
    }
    let mut all = Written::default();
    for state in &states {
        match try_write(store, now, std::slice::from_ref(state)).await {
            Ok(written) => {
                all.overtaken.extend(written.overtaken);
                all.purses.extend(written.purses);
            }
            Err(error) if error.is_away() => return In::Away,
            Err(error) => {
                tracing::error!(%error, call = %state.call, "the books of a call could not be written");
                all.refused.push(state.call);
            }
        }
    }
    In::Written(all)
}

async fn try_write(store: &Store, now: Moment, states: &[Reservation]) -> Result<Written, StoreError> {
    let mut book = store.ledger().open().await?;
    let calls: Vec<_> = states.iter().map(|state| state.call).collect();
    let mut stored = book.reservations(&calls).await?;
    let (mut overtaken, mut newer, mut postings) = (Vec::new(), Vec::new(), Vec::new());
    for state in states {
        let before = stored.remove(&state.call);
        match before {
            Some(before) if is_same(&before, state) => {}
            Some(before) if before.changes >= state.changes => overtaken.push(before),
            before => {
                postings
                    .extend(state.since(before.as_ref()).into_iter().map(|posting| (state.call, posting)));
                newer.push(state);
            }
        }
    }
    book.keep(&newer).await?;
    book.post(now, &postings).await?;
    change_balances(&mut book, &postings.iter().map(|(_, posting)| posting).collect::<Vec<_>>()).await?;
    let payers: BTreeSet<Payer> = states.iter().map(|it| (it.tenant, it.account.clone())).collect();
    let payers: Vec<Payer> = payers.into_iter().collect();
    let mut purses = book.purses(&payers).await?;
    book.commit().await?;
    let missing = payers.into_iter().filter(|payer| !purses.contains_key(payer)).collect::<Vec<_>>();
    purses.extend(missing.into_iter().map(|payer| (payer, ledger::Purse::Missing)));
    Ok(Written { overtaken, refused: Vec::new(), purses: purses.into_iter().collect() })
}

/// Whether it was written before, and nobody said so.
fn is_same(one: &Reservation, other: &Reservation) -> bool {
    let sums = |it: &Reservation| (it.changes, it.state, it.reserved, it.charged, it.released);
    sums(one) == sums(other)
}

async fn change_balances(book: &mut Book, postings: &[&ledger::Posting]) -> Result<(), StoreError> {
    let mut balances = BTreeMap::<Payer, i64>::new();
    for posting in postings {
        for (account, micros) in [(&posting.from, -posting.micros), (&posting.to, posting.micros)] {
            if let Account::User { tenant, name } = account {
                *balances.entry((*tenant, name.clone())).or_default() += micros;
            }
        }
    }
    let changed: Vec<_> = balances.into_iter().filter(|(_, micros)| *micros != 0).collect();
    book.add_to_balances(&changed).await
}
