//! What operators see.

use std::collections::BinaryHeap;

use contract::query::{
    Calls, Gauges, HangUp, HungUp, ListCalls, ListRegistrations, Registration, Registrations,
};
use machine::{Moment, Outbox};

use crate::binding::Body;
use crate::exchange::{Exchange, Out};

/// No list is longer, whatever is asked for: a page of a thousand, and the one that says that there are more.
const LONGEST: usize = 1001;

impl Exchange {
    /// The calls behind `after`, in order of their numbers.
    pub(crate) fn list_calls(&self, asked: &ListCalls) -> Calls {
        let wanted = |call: &&call::Call| {
            asked.tenant.is_none_or(|tenant| tenant == call.tenant())
                && asked.after.is_none_or(|after| call.id() > after)
        };
        let mut calls: Vec<_> = self.view.calls.all().filter(wanted).collect();
        calls.sort_unstable_by_key(|call| call.id());
        calls.truncate(length(asked.limit));
        Calls { calls: calls.into_iter().map(call::Call::view).collect() }
    }

    /// The users behind `after` that have a phone, in order of tenant and name.
    pub(crate) fn list_registrations(&self, asked: &ListRegistrations, now: Moment) -> Registrations {
        let after = asked.after.as_ref().map(|aor| (aor.tenant, aor.user.as_bytes()));
        let wanted = |body: &Body<'_>| {
            let whose = body.whose();
            asked.tenant.is_none_or(|tenant| tenant == whose.0)
                && after.is_none_or(|after| whose > after)
                && body.clocks().any(|clock| clock.is_live(now))
        };
        let limit = length(asked.limit);
        let mut first: BinaryHeap<Listed<'_>> = BinaryHeap::with_capacity(limit + 1);
        for body in self.view.bindings.all().filter(wanted) {
            first.push(Listed(body));
            if first.len() > limit {
                first.pop();
            }
        }
        let registrations = first.into_sorted_vec().into_iter().filter_map(|Listed(body)| {
            let binding = body.binding()?;
            Some(Registration { aor: binding.aor(), contacts: binding.contacts(now) })
        });
        Registrations { registrations: registrations.collect() }
    }

    /// Ends a call.
    pub(crate) fn hang_up(&mut self, asked: &HangUp, now: Moment, out: &mut Outbox<Out>) -> HungUp {
        let found = self.with_call(asked.call, now, out, |call, world, now, said| {
            call.hang_up(&asked.reason, world, now, said);
        });
        HungUp { found }
    }

    /// How the thread does.
    pub fn gauges(&self) -> Gauges {
        let (users, contacts) = self.view.bindings.count();
        let sizes = [
            ("exchange_calls", self.view.calls.len()),
            ("exchange_registered_users", users),
            ("exchange_registered_contacts", contacts),
            ("exchange_accounts", self.view.accounts.len()),
            ("exchange_nonces", self.view.replays.len()),
            ("exchange_requests_waiting", self.waiting.len()),
            ("exchange_records_waiting", self.records.len()),
        ];
        let mut gauges = self.counters.gauges();
        gauges.values.extend(sizes.map(|(name, size)| (name.to_owned(), size as f64)));
        gauges
    }
}

fn length(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(LONGEST).clamp(1, LONGEST)
}

/// Ordered by whose it is.
struct Listed<'a>(Body<'a>);

impl PartialEq for Listed<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.whose() == other.0.whose()
    }
}

impl Eq for Listed<'_> {}

impl PartialOrd for Listed<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Listed<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.whose().cmp(&other.0.whose())
    }
}
