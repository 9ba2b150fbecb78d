use std::collections::BTreeMap;

use contract::{CallId, TenantId};
use ledger::{Account, Posting, Purse, Reservation, State};
use machine::Moment;

use crate::link::Link;
use crate::sql::{Sql, Value};
use crate::{Lock, Store, StoreError, rows};

/// Reservations and postings.
#[derive(Clone, Copy, Debug)]
pub struct LedgerBook<'a>(pub(crate) &'a Store);

/// The ledger, open for writing: all of it is kept, or nothing.
#[derive(Debug)]
pub struct Book(pub(crate) Link);

/// Sums over all calls, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Reservations of calls that go on.
    pub open: u64,
    /// All that was ever set aside.
    pub reserved: i64,
    /// What calls cost.
    pub charged: i64,
    /// What went back.
    pub released: i64,
}

impl LedgerBook<'_> {
    /// Opens the book; nobody else writes meanwhile.
    pub async fn open(&self) -> Result<Book, StoreError> {
        Ok(Book(self.0.begin(Lock::Books).await?))
    }

    /// How many calls are under way that have money set aside.
    pub async fn count_open(&self) -> Result<u64, StoreError> {
        let query = Sql::new("SELECT COUNT(*) FROM reservations WHERE state = 'open'");
        Ok(query.fetch_one(&mut self.0.read().await?).await?.get::<i64, _>(0)?.cast_unsigned())
    }

    /// The reservation of a call.
    pub async fn reservation(&self, call: CallId) -> Result<Option<Reservation>, StoreError> {
        let mut reading = self.0.read().await?;
        Ok(reservations(&mut reading, &[call]).await?.remove(&call))
    }

    /// Those of `calls` that have a reservation.
    pub async fn reservations(&self, calls: &[CallId]) -> Result<BTreeMap<CallId, Reservation>, StoreError> {
        if calls.is_empty() {
            return Ok(BTreeMap::new());
        }
        reservations(&mut self.0.read().await?, calls).await
    }

    /// What the payers can pay with; who is not found is not there.
    pub async fn purses(
        &self,
        payers: &[(TenantId, String)],
    ) -> Result<BTreeMap<(TenantId, String), Purse>, StoreError> {
        purses(&mut self.0.read().await?, payers).await
    }

    /// Open reservations of calls that nobody spoke of since `before`, at most `limit`.
    pub async fn silent(&self, before: Moment, limit: u32) -> Result<Vec<Reservation>, StoreError> {
        let query =
            "SELECT body FROM reservations WHERE state = 'open' AND touched < $1 ORDER BY touched LIMIT $2";
        let found = Sql::new(query)
            .bind(rows::time(before))
            .bind(i64::from(limit))
            .fetch_all(&mut self.0.read().await?)
            .await?;
        found.iter().map(|row| rows::of_json("a reservation", row.get(0)?)).collect()
    }

    /// The sums.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        let row = Sql::new(
            "SELECT CAST(COALESCE(SUM(CASE state WHEN 'open' THEN 1 ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(reserved), 0) AS BIGINT), CAST(COALESCE(SUM(charged), 0) AS BIGINT), \
             CAST(COALESCE(SUM(released), 0) AS BIGINT) FROM reservations",
        )
        .fetch_one(&mut self.0.read().await?)
        .await?;
        Ok(Totals {
            open: row.get::<i64, _>(0)?.cast_unsigned(),
            reserved: row.get(1)?,
            charged: row.get(2)?,
            released: row.get(3)?,
        })
    }

    /// What lies on an account, by its postings.
    pub async fn balance(&self, account: &Account) -> Result<i64, StoreError> {
        balance(&mut self.0.read().await?, account).await
    }
}

impl Book {
    /// Those of `calls` that have a reservation.
    pub async fn reservations(
        &mut self,
        calls: &[CallId],
    ) -> Result<BTreeMap<CallId, Reservation>, StoreError> {
        reservations(&mut self.0, calls).await
    }

    /// What the payers can pay with; who is not found is not there.
    pub async fn purses(
        &mut self,
        payers: &[(TenantId, String)],
    ) -> Result<BTreeMap<(TenantId, String), Purse>, StoreError> {
        purses(&mut self.0, payers).await
    }

    /// Keeps each reservation as it is now.
    pub async fn keep(&mut self, reservations: &[&Reservation]) -> Result<(), StoreError> {
        for piece in rows::pieces(reservations) {
            let values =
                piece.iter().map(|reservation| values(reservation)).collect::<Result<Vec<_>, _>>()?;
            let query = Sql::new(
                "INSERT INTO reservations (call, tenant, account, state, touched, reserved, charged, released, body)",
            );
            query
                .rows(values)
                .and(
                    " ON CONFLICT (call) DO UPDATE SET state = excluded.state, touched = excluded.touched, \
                 reserved = excluded.reserved, charged = excluded.charged, released = excluded.released, \
                 body = excluded.body",
                )
                .execute(&mut self.0)
                .await?;
        }
        Ok(())
    }

    /// Writes the postings of calls.
    pub async fn post(&mut self, now: Moment, postings: &[(CallId, Posting)]) -> Result<(), StoreError> {
        post_all(&mut self.0, now, postings).await
    }

    /// Gives each prepaid user so many micros more to spend (or less).
    pub async fn add_to_balances(&mut self, changes: &[((TenantId, String), i64)]) -> Result<(), StoreError> {
        add_to_balances(&mut self.0, changes).await
    }

    /// Keeps it all.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await
    }
}

/// Writes the postings of calls.
pub(crate) async fn post_all(
    writing: &mut Link,
    now: Moment,
    postings: &[(CallId, Posting)],
) -> Result<(), StoreError> {
    for piece in rows::pieces(postings) {
        let values = piece.iter().map(|(call, posting)| {
            [
                rows::call(*call).into(),
                rows::time(now).into(),
                posting.from.to_string().into(),
                posting.to.to_string().into(),
                posting.micros.into(),
            ]
        });
        let query = Sql::new("INSERT INTO postings (call, posted, from_account, to_account, micros)");
        query.rows(values).execute(writing).await?;
    }
    Ok(())
}

/// Gives each prepaid user so many micros more to spend (or less).
pub(crate) async fn add_to_balances(
    writing: &mut Link,
    changes: &[((TenantId, String), i64)],
) -> Result<(), StoreError> {
    for piece in rows::pieces(changes) {
        let values = piece.iter().map(|((tenant, name), micros)| {
            [i64::from(tenant.0).into(), name.as_str().into(), (*micros).into()]
        });
        let query = Sql::new("UPDATE users SET balance = users.balance + changed.column3 FROM (");
        let matching = ") AS changed WHERE users.tenant = changed.column1 AND users.name = changed.column2 \
                        AND users.balance IS NOT NULL";
        query.rows(values).and(matching).execute(writing).await?;
    }
    Ok(())
}

async fn reservations(
    reading: &mut Link,
    calls: &[CallId],
) -> Result<BTreeMap<CallId, Reservation>, StoreError> {
    let mut found = BTreeMap::new();
    for piece in rows::pieces(calls) {
        let calls = piece.iter().map(|&call| [rows::call(call).into()]);
        let query = Sql::new("SELECT body FROM reservations WHERE call IN (").rows(calls).and(")");
        for row in query.fetch_all(reading).await? {
            let reservation: Reservation = rows::of_json("a reservation", row.get(0)?)?;
            found.insert(reservation.call, reservation);
        }
    }
    Ok(found)
}

async fn purses(
    reading: &mut Link,
    payers: &[(TenantId, String)],
) -> Result<BTreeMap<(TenantId, String), Purse>, StoreError> {
    let mut purses = BTreeMap::new();
    for piece in rows::pieces(payers) {
        let values = piece.iter().map(|(tenant, name)| [i64::from(tenant.0).into(), name.as_str().into()]);
        let query = Sql::new("SELECT tenant, name, balance FROM users WHERE (tenant, name) IN (");
        for row in query.rows(values).and(")").fetch_all(reading).await? {
            let payer = (TenantId(row.get::<i64, _>(0)? as u32), row.get(1)?);
            let balance: Option<i64> = row.get(2)?;
            purses.insert(payer, balance.map_or(Purse::Postpaid, Purse::Prepaid));
        }
    }
    Ok(purses)
}

/// What lies on an account, by its postings.
pub(crate) async fn balance(reading: &mut Link, account: &Account) -> Result<i64, StoreError> {
    let row = Sql::new(
        "SELECT CAST((SELECT COALESCE(SUM(micros), 0) FROM postings WHERE to_account = $1) - \
         (SELECT COALESCE(SUM(micros), 0) FROM postings WHERE from_account = $1) AS BIGINT)",
    )
    .bind(account.to_string())
    .fetch_one(reading)
    .await?;
    row.get(0)
}

/// Money that moves without a call.
pub(crate) async fn post(writing: &mut Link, now: Moment, posting: &Posting) -> Result<(), StoreError> {
    Sql::new(
        "INSERT INTO postings (call, posted, from_account, to_account, micros) VALUES (NULL, $1, $2, $3, $4)",
    )
    .bind(rows::time(now))
    .bind(posting.from.to_string())
    .bind(posting.to.to_string())
    .bind(posting.micros)
    .execute(writing)
    .await?;
    Ok(())
}

/// A user has paid: the money comes from outside.
pub(crate) async fn pay_in(
    writing: &mut Link,
    now: Moment,
    (tenant, name): (TenantId, &str),
    micros: i64,
) -> Result<(), StoreError> {
    let to = Account::User { tenant, name: name.to_owned() };
    post(writing, now, &Posting { from: Account::Outside, to, micros }).await
}

fn values(reservation: &Reservation) -> Result<[Value; 9], StoreError> {
    Ok([
        rows::call(reservation.call).into(),
        i64::from(reservation.tenant.0).into(),
        reservation.account.as_str().into(),
        name(reservation.state).into(),
        rows::time(reservation.touched).into(),
        reservation.reserved.into(),
        reservation.charged.into(),
        reservation.released.into(),
        rows::json("a reservation", reservation)?.into(),
    ])
}

fn name(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Settled => "settled",
        State::Abandoned => "abandoned",
    }
}
