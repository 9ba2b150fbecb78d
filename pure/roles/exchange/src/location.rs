//! Where a user's phones are: the owner of the bindings says so, be it us or another.

use call::{Answer, Route, Wanted};
use contract::registration::{Locate, Located};
use contract::{Aor, CallId, sharding};
use machine::{Moment, Outbox};
use sip::Status;

use crate::accounts::Known;
use crate::cells::Reaching;
use crate::destination::{self, Way};
use crate::exchange::{Exchange, Out};
use crate::questions::About;
use crate::waiting::Waiter;

impl Exchange {
    /// Finds the way that a call wants; none if others must be asked first, then the call is told.
    pub(crate) fn route(
        &mut self,
        call: CallId,
        wanted: Wanted,
        now: Moment,
        out: &mut Outbox<Out>,
    ) -> Option<Route> {
        let account = self.view.accounts.key(wanted.tenant, wanted.dialed.as_bytes());
        self.confirm(account, now, out);
        match destination::route(&wanted, &self.view, now) {
            Way::Found(route) => Some(route),
            Way::Phones(aor) => {
                let key = self.binding_key(&aor);
                if self.view.settings.owned.owns(sharding::shard_of_key(key)) {
                    if self.view.bindings.is_missed(key) {
                        // They are restored before this is due.
                        self.ready.push_back((call, wanted));
                        return None;
                    }
                    let contacts = self.view.bindings.contacts(key, now);
                    return Some(Route::Ring { to: aor.user, contacts });
                }
                self.ask(About::Phones { call, serial: wanted.serial, aor }, now, out);
                None
            }
            Way::Elsewhere(cell, name) => self.reach(Reaching { call, wanted, cell, name }, now, out),
            Way::Ask(question) => {
                let about = About::from(question);
                self.waiting.route(self.questions.id(&about), call, wanted);
                self.ask(about, now, out);
                None
            }
        }
    }

    /// What waited for an answer is decided again: calls one after another, and requests as if they came just
    /// now, so that they are journaled, and to blame for what they do.
    pub(crate) fn wake(&mut self, question: u64, now: Moment, out: &mut Outbox<Out>) {
        let shard = self.view.settings.owned.any();
        for waiter in self.waiting.take(question) {
            match waiter {
                Waiter::Request(bytes) => out.emit(Out::Forward { shard, bytes }),
                Waiter::Route(call, wanted) => self.ready.push_back((call, wanted)),
                asked @ Waiter::Asked(_) => self.asked_again(asked, now, out),
            }
        }
    }

    /// Finds the way of a call that waited for an answer.
    pub(crate) fn route_again(&mut self, call: CallId, wanted: Wanted, now: Moment, out: &mut Outbox<Out>) {
        let serial = wanted.serial;
        if let Some(route) = self.route(call, wanted, now, out) {
            self.tell(call, Answer::Route { serial, route }, now, out);
        }
    }

    /// Refuses what waited in vain.
    pub(crate) fn give_up(&mut self, question: u64, now: Moment, out: &mut Outbox<Out>) {
        for waiter in self.waiting.take(question) {
            match waiter {
                Waiter::Request(bytes) => self.turn_away(&bytes, out),
                Waiter::Route(call, wanted) => self.no_way(call, wanted.serial, now, out),
                Waiter::Asked(envelope) => self.can_not_say(&envelope, out),
            }
        }
    }

    /// Nobody could say where a call leads.
    pub(crate) fn no_way(&mut self, call: CallId, serial: u32, now: Moment, out: &mut Outbox<Out>) {
        let route =
            Route::Refuse { status: Status::SERVICE_UNAVAILABLE, cause: "accounts out of reach".into() };
        self.tell(call, Answer::Route { serial, route }, now, out);
    }

    /// The phones of a user whose bindings are another's.
    pub(crate) fn located(
        &mut self,
        (call, serial): (CallId, u32),
        aor: Aor,
        located: Located,
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        let Located { contacts, elsewhere } = located;
        let route = match elsewhere {
            None => Some(Route::Ring { to: aor.user, contacts }),
            Some(cell) => {
                let Aor { tenant, user } = aor;
                self.forget_account(tenant, &user, out);
                let wanted = Wanted { tenant, dialed: user.clone(), serial, ..Wanted::default() };
                self.reach(Reaching { call, wanted, cell, name: user }, now, out)
            }
        };
        if let Some(route) = route {
            self.tell(call, Answer::Route { serial, route }, now, out);
        }
    }

    /// Says where the phones of a user of ours are.
    pub(crate) fn locate(&self, asked: &Locate, now: Moment) -> Located {
        let account = self.view.accounts.key(asked.aor.tenant, asked.aor.user.as_bytes());
        let elsewhere = match self.view.accounts.find(account, now) {
            Known::Account(account) => account.cell(),
            Known::Nobody | Known::Unknown => None,
        };
        let contacts = match elsewhere {
            Some(_) => Vec::new(),
            None => self.view.bindings.contacts(self.binding_key(&asked.aor), now),
        };
        Located { contacts, elsewhere }
    }

    /// Under what the bindings of `aor` are kept.
    pub(crate) fn binding_key(&self, aor: &Aor) -> u128 {
        sharding::binding_key(self.view.mint.hash(), aor.tenant, aor.user.as_bytes())
    }
}
