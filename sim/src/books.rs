use std::collections::BTreeMap;

use billing::Desk;
use contract::{CallId, TenantId};
use ledger::{Account, Reservation, State};

/// Money counted a second time, after each thing that billing does.
#[derive(Debug, Default)]
pub(crate) struct Books {
    paid_in: BTreeMap<(TenantId, String), i64>,
    /// Reserved and not released, of each account.
    spent: BTreeMap<(TenantId, String), i64>,
    revenue: i64,
    /// What was reserved, charged and released for each call.
    seen: BTreeMap<CallId, [i64; 3]>,
}

impl Books {
    /// A user has paid in advance.
    pub(crate) fn paid_in(&mut self, tenant: TenantId, name: &str, micros: i64) {
        *self.paid_in.entry((tenant, name.to_owned())).or_default() += micros;
    }

    /// Something has happened to these reservations.
    pub(crate) fn look<'a>(&mut self, desk: &Desk, these: impl Iterator<Item = &'a Reservation> + Clone) {
        these.clone().for_each(|it| self.count(desk, it));
        these.for_each(|it| self.compare(desk, it));
    }

    fn count(&mut self, desk: &Desk, it: &Reservation) {
        let sums = [it.reserved, it.charged, it.released];
        let before = self.seen.insert(it.call, sums).unwrap_or_default();
        assert!(sums.iter().zip(&before).all(|(now, before)| now >= before), "money went back: {it:?}");
        let held = desk.balance(&Account::Held { call: it.call });
        assert_eq!(
            it.reserved,
            it.charged + it.released + held,
            "{held} is held, and the sums are wrong: {it:?}"
        );
        assert!(held >= 0, "more was charged and released than reserved: {it:?}");
        assert!(it.state == State::Open || held == 0, "{held} is held for nothing: {it:?}");
        *self.spent.entry((it.tenant, it.account.clone())).or_default() +=
            (sums[0] - before[0]) - (sums[2] - before[2]);
        self.revenue += sums[1] - before[1];
    }

    fn compare(&self, desk: &Desk, it: &Reservation) {
        let key = (it.tenant, it.account.clone());
        let spent = self.spent.get(&key).copied().unwrap_or_default();
        let paid_in = self.paid_in.get(&key).copied().unwrap_or_default();
        let purse = Account::User { tenant: key.0, name: key.1 };
        assert_eq!(
            desk.balance(&purse),
            paid_in - spent,
            "a purse does not hold what it must: {purse:?}, {it:?}"
        );
        assert_eq!(
            desk.balance(&Account::Revenue),
            self.revenue,
            "not all that was charged has come in: {it:?}"
        );
    }
}
