use std::collections::BTreeMap;
use std::time::Duration;

use contract::{CallId, TenantId};
use ledger::{Account, Posting, Purse, Rate, Reservation, State};
use machine::{Machine, Moment, Outbox};

use crate::{Answer, Question, decide};

/// A question, under the number by which its answer finds back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Chosen by the asker.
    pub id: u64,
    /// What is asked.
    pub question: Question,
}

/// The answer to [`Asked`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// As asked.
    pub id: u64,
    /// What is answered.
    pub answer: Answer,
    /// Whether anything changed: a repeat changes nothing.
    pub changed: bool,
}

/// The billing role with its books in memory.
#[derive(Clone, Debug)]
pub struct Desk {
    rate: Rate,
    abandon_after: Duration,
    purses: BTreeMap<(TenantId, String), bool>,
    accounts: BTreeMap<Account, i64>,
    reservations: BTreeMap<CallId, Reservation>,
}

impl Desk {
    /// Charges `rate`; a call of which nobody spoke for `abandon_after` gets its reservation released.
    pub fn new(rate: Rate, abandon_after: Duration) -> Self {
        Desk {
            rate,
            abandon_after,
            purses: BTreeMap::new(),
            accounts: BTreeMap::new(),
            reservations: BTreeMap::new(),
        }
    }

    /// Lets a user pay later.
    pub fn postpaid(&mut self, tenant: TenantId, name: &str) {
        self.purses.insert((tenant, name.to_owned()), false);
    }

    /// Lets a user spend what was paid: `micros` more than before.
    pub fn prepaid(&mut self, tenant: TenantId, name: &str, micros: i64) {
        self.purses.insert((tenant, name.to_owned()), true);
        let to = Account::User { tenant, name: name.to_owned() };
        self.post(&[Posting { from: Account::Outside, to, micros }]);
    }

    /// What lies on `account`.
    pub fn balance(&self, account: &Account) -> i64 {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// The reservation of a call.
    pub fn reservation(&self, call: CallId) -> Option<&Reservation> {
        self.reservations.get(&call)
    }

    /// All reservations there ever were.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> + Clone {
        self.reservations.values()
    }

    fn purse(&self, (tenant, name): (TenantId, &str)) -> Purse {
        match self.purses.get(&(tenant, name.to_owned())) {
            None => Purse::Missing,
            Some(false) => Purse::Postpaid,
            Some(true) => Purse::Prepaid(self.balance(&Account::User { tenant, name: name.to_owned() })),
        }
    }

    fn post(&mut self, postings: &[Posting]) {
        for posting in postings {
            *self.accounts.entry(posting.from.clone()).or_default() -= posting.micros;
            *self.accounts.entry(posting.to.clone()).or_default() += posting.micros;
        }
    }

    fn open(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.values().filter(|reservation| reservation.state == State::Open)
    }
}

impl Machine for Desk {
    type In = Asked;
    type Out = Told;

    fn handle(&mut self, now: Moment, input: Asked, out: &mut Outbox<Told>) {
        let Asked { id, question } = input;
        let found = self.reservations.get(&question.call()).cloned();
        let decided = decide(now, &self.rate, &question, found, self.purse(question.payer()));
        self.post(&decided.postings);
        self.reservations.insert(question.call(), decided.reservation);
        out.emit(Told { id, answer: decided.answer, changed: decided.changed });
    }

    fn expire(&mut self, now: Moment, _out: &mut Outbox<Told>) {
        let due = |it: &&Reservation| it.touched.after(self.abandon_after) <= now;
        let calls: Vec<CallId> = self.open().filter(due).map(|it| it.call).collect();
        for call in calls {
            let postings = self.reservations.get_mut(&call).map(Reservation::abandon);
            self.post(&postings.unwrap_or_default());
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.open().map(|it| it.touched.after(self.abandon_after)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::billing::{Reserve, Reserved, Settle};

    const BRAND: TenantId = TenantId(1);
    const NOW: Moment = Moment::from_secs(100);

    fn desk() -> Desk {
        let rate = Rate { micros_per_minute: 60_000, ..Rate::default() };
        let mut desk = Desk::new(rate, Duration::from_secs(3600));
        desk.prepaid(BRAND, "anna", 90_000);
        desk.postpaid(BRAND, "bert");
        desk
    }

    fn ask(desk: &mut Desk, now: Moment, question: Question) -> Answer {
        let mut out = Outbox::new();
        desk.handle(now, Asked { id: 7, question }, &mut out);
        out.emit.pop().unwrap().answer
    }

    fn more(call: u64, account: &str, serial: u32) -> Question {
        let account = account.to_owned();
        let (call, dialed) = (CallId(call), "1002".to_owned());
        Question::Reserve(Reserve { call, tenant: BRAND, account, dialed, serial, seconds: 60 })
    }

    fn over(call: u64, account: &str, talked_ms: u64) -> Question {
        let account = account.to_owned();
        Question::Settle(Settle {
            call: CallId(call),
            tenant: BRAND,
            account,
            talked_ms,
            ..Settle::default()
        })
    }

    #[test]
    fn two_calls_at_once_cannot_spend_the_same_money() {
        let mut desk = desk();
        let Answer::Reserved(Reserved::Granted { seconds: 60, .. }) = ask(&mut desk, NOW, more(1, "anna", 1))
        else {
            panic!()
        };
        let Answer::Reserved(Reserved::Granted { seconds: 30, .. }) = ask(&mut desk, NOW, more(2, "anna", 1))
        else {
            panic!()
        };
        let Answer::Reserved(Reserved::Refused { reason }) = ask(&mut desk, NOW, more(3, "anna", 1)) else {
            panic!()
        };
        assert_eq!(reason, "the balance does not suffice");
        ask(&mut desk, NOW, over(1, "anna", 10_000));
        ask(&mut desk, NOW, over(2, "anna", 0));
        let purse = Account::User { tenant: BRAND, name: "anna".into() };
        assert_eq!((desk.balance(&purse), desk.balance(&Account::Revenue)), (80_000, 10_000));
    }

    #[test]
    fn a_stranger_is_refused_and_a_namesake_of_another_tenant_is_one() {
        let mut desk = desk();
        let Question::Reserve(mut ask_for) = more(1, "bert", 1) else { panic!() };
        ask_for.tenant = TenantId(2);
        let Answer::Reserved(Reserved::Refused { reason }) = ask(&mut desk, NOW, Question::Reserve(ask_for))
        else {
            panic!()
        };
        assert_eq!(reason, "there is no such account");
    }

    #[test]
    fn a_lost_calls_reservation_is_released_after_its_time() {
        let mut desk = desk();
        ask(&mut desk, NOW, more(1, "bert", 1));
        let later = NOW.after(Duration::from_secs(3600));
        assert_eq!(desk.next_deadline(), Some(later));
        desk.expire(later, &mut Outbox::new());
        assert_eq!(desk.next_deadline(), None);
        let lost = desk.reservations().next().unwrap();
        assert_eq!((lost.state, lost.released), (State::Abandoned, 60_000));
    }

    #[test]
    fn what_costs_nothing_is_answered_without_books() {
        let free = Rate::default();
        let Some(Answer::Reserved(Reserved::Granted { seconds: 60, .. })) =
            crate::offhand(&free, &more(1, "x", 1))
        else {
            panic!()
        };
        assert!(crate::offhand(&desk().rate, &more(1, "x", 1)).is_none());
    }
}
