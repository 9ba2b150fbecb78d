use contract::billing::{Reserve, Reserved, Settle, Settled};
use contract::{CallId, Money, TenantId};
use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::{Account, Posting, Rate};

/// So many answers are remembered, in case their questions are repeated.
const REMEMBERED: usize = 8;

/// What a user can pay with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purse {
    /// Pays later, whatever it is.
    Postpaid,
    /// Has paid before; so many millionths are left.
    Prepaid(i64),
    /// There is no such user.
    Missing,
}

/// What is set aside for one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Which call.
    pub call: CallId,
    /// Whose user pays.
    pub tenant: TenantId,
    /// The user who pays.
    pub account: String,
    /// Whom it calls, as dialed.
    pub dialed: String,
    /// The rate when it began; it stays.
    pub rate: Rate,
    /// When it began.
    pub opened: Moment,
    /// When something last happened.
    pub touched: Moment,
    /// Seconds granted so far.
    pub seconds: u64,
    /// All that was ever set aside, in millionths.
    pub reserved: i64,
    /// What it cost.
    pub charged: i64,
    /// What went back.
    pub released: i64,
    /// The last answers.
    pub grants: Vec<Grant>,
    /// Where it stands.
    pub state: State,
    /// How often it changed: of two states of one call, the one with more is the later.
    #[serde(default)]
    pub changes: u32,
}

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// To which serial.
    pub serial: u32,
    /// Seconds; 0: refused.
    pub seconds: u32,
    /// What was set aside for them.
    pub micros: i64,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The call goes on.
    Open,
    /// The call was over, and is charged.
    Settled,
    /// Nobody has spoken of the call for long: all was released. A late word is still heard.
    Abandoned,
}

impl Reservation {
    /// Of a call that nothing is known of yet.
    pub fn open(now: Moment, rate: Rate, call: CallId, payer: (TenantId, String), dialed: String) -> Self {
        Reservation {
            call,
            tenant: payer.0,
            account: payer.1,
            dialed,
            rate,
            opened: now,
            touched: now,
            seconds: 0,
            reserved: 0,
            charged: 0,
            released: 0,
            grants: Vec::new(),
            state: State::Open,
            changes: 0,
        }
    }

    /// What the payer is without because of this call: set aside, or charged.
    pub fn taken(&self) -> i64 {
        self.reserved - self.released
    }

    /// The last answer to a question for more with this serial, if it is remembered.
    pub fn granted(&self, serial: u32) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.serial == serial)
    }

    /// The money that moved since `before`, an earlier state of this reservation; none: since there was none. So
    /// books that are written from states, and not from steps, are right however often a state is written.
    pub fn since(&self, before: Option<&Reservation>) -> Vec<Posting> {
        let grown = |of: fn(&Reservation) -> i64| of(self) - before.map_or(0, of);
        let postings = [
            self.post(self.payer(), self.set_aside(), grown(|it| it.reserved)),
            self.post(self.set_aside(), Account::Revenue, grown(|it| it.charged)),
            self.post(self.set_aside(), self.payer(), grown(|it| it.released)),
        ];
        postings.into_iter().flatten().collect()
    }

    /// What is set aside at this moment.
    pub fn held(&self) -> i64 {
        self.reserved - self.charged - self.released
    }

    /// Answers a question for more seconds. The same serial has the same answer, and sets nothing aside again.
    pub fn reserve(&mut self, now: Moment, ask: &Reserve, purse: Purse) -> (Reserved, Vec<Posting>) {
        if let Some(grant) = self.granted(ask.serial) {
            return (self.answer(grant), Vec::new());
        }
        if self.grants.last().is_some_and(|last| last.serial > ask.serial) {
            return (refused("answered long ago"), Vec::new());
        }
        if self.state == State::Settled {
            return (refused("the call is settled already"), Vec::new());
        }
        self.touched = now;
        self.changes += 1;
        self.state = State::Open;
        let grant = self.grant(ask, purse);
        let answer = self.answer(&grant);
        let posting = self.post(self.payer(), self.set_aside(), grant.micros);
        self.seconds += u64::from(grant.seconds);
        self.reserved += grant.micros;
        if self.grants.len() == REMEMBERED {
            self.grants.remove(0);
        }
        self.grants.push(grant);
        (answer, posting.into_iter().collect())
    }

    /// Charges what was talked and releases the rest, once; a repeat has the same answer. What was talked beyond
    /// the reservation, because billing was away, is set aside late and charged with the rest.
    pub fn settle(&mut self, now: Moment, ask: &Settle) -> (Settled, Vec<Posting>) {
        if self.state == State::Settled {
            return (self.settled(), Vec::new());
        }
        let price = self.rate.price_ms(ask.talked_ms);
        let late = price.saturating_sub(self.held()).max(0);
        self.reserved += late;
        let back = self.held() - price;
        self.charged += price;
        self.released += back;
        self.state = State::Settled;
        self.touched = now;
        self.changes += 1;
        let postings = [
            self.post(self.payer(), self.set_aside(), late),
            self.post(self.set_aside(), Account::Revenue, price),
            self.post(self.set_aside(), self.payer(), back),
        ];
        (self.settled(), postings.into_iter().flatten().collect())
    }

    /// Gives all back: nobody has spoken of the call for long.
    pub fn abandon(&mut self) -> Vec<Posting> {
        if self.state != State::Open {
            return Vec::new();
        }
        self.state = State::Abandoned;
        self.changes += 1;
        let back = self.held();
        self.released += back;
        self.post(self.set_aside(), self.payer(), back).into_iter().collect()
    }

    fn grant(&self, ask: &Reserve, purse: Purse) -> Grant {
        let none = |why: &str| Grant { serial: ask.serial, seconds: 0, micros: 0, refused: Some(why.into()) };
        let seconds = match purse {
            Purse::Missing => return none("there is no such account"),
            Purse::Postpaid => ask.seconds,
            Purse::Prepaid(micros) => self.rate.affordable(self.seconds, ask.seconds, micros.max(0)),
        };
        if seconds == 0 {
            return none("the balance does not suffice");
        }
        let micros = self.rate.price(self.seconds + u64::from(seconds)) - self.rate.price(self.seconds);
        Grant { serial: ask.serial, seconds, micros, refused: None }
    }

    fn answer(&self, grant: &Grant) -> Reserved {
        match &grant.refused {
            Some(reason) => Reserved::Refused { reason: reason.clone() },
            None => Reserved::Granted { seconds: grant.seconds, amount: self.money(grant.micros) },
        }
    }

    fn settled(&self) -> Settled {
        Settled {
            reserved: self.money(self.reserved),
            charged: self.money(self.charged),
            released: self.money(self.released),
        }
    }

    fn money(&self, micros: i64) -> Money {
        Money { micros, currency: self.rate.currency.clone() }
    }

    fn payer(&self) -> Account {
        Account::User { tenant: self.tenant, name: self.account.clone() }
    }

    fn set_aside(&self) -> Account {
        Account::Held { call: self.call }
    }

    fn post(&self, from: Account, to: Account, micros: i64) -> Option<Posting> {
        (micros > 0).then_some(Posting { from, to, micros })
    }
}

fn refused(reason: &str) -> Reserved {
    Reserved::Refused { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    const NOW: Moment = Moment::from_secs(1_000);

    fn opened() -> Reservation {
        let rate = Rate { micros_per_minute: 60_000, step_seconds: 1, currency: "EUR".into() };
        Reservation::open(NOW, rate, CallId(1), (TenantId(1), "anna".into()), "1002".into())
    }

    fn more(serial: u32, seconds: u32) -> Reserve {
        Reserve { call: CallId(1), serial, seconds, ..Reserve::default() }
    }

    fn talked(ms: u64) -> Settle {
        Settle { call: CallId(1), talked_ms: ms, ..Settle::default() }
    }

    fn granted(seconds: u32, micros: i64) -> Reserved {
        Reserved::Granted { seconds, amount: Money { micros, currency: "EUR".into() } }
    }

    #[test]
    fn a_minute_is_set_aside_half_of_it_talked_and_the_rest_goes_back() {
        let mut call = opened();
        let (answer, postings) = call.reserve(NOW, &more(1, 60), Purse::Prepaid(100_000));
        assert_eq!((answer, postings.len()), (granted(60, 60_000), 1));
        let (settled, postings) = call.settle(NOW, &talked(30_000));
        assert_eq!(
            (settled.reserved.micros, settled.charged.micros, settled.released.micros),
            (60_000, 30_000, 30_000)
        );
        assert_eq!(postings.len(), 2);
        assert_eq!(call.held(), 0);
    }

    #[test]
    fn a_repeated_question_has_the_same_answer_and_moves_no_money() {
        let mut call = opened();
        let first = call.reserve(NOW, &more(1, 60), Purse::Prepaid(70_000));
        assert_eq!(call.reserve(NOW, &more(1, 60), Purse::Prepaid(10_000)), (first.0, vec![]));
        let settled = call.settle(NOW, &talked(1_000)).0;
        assert_eq!(call.settle(NOW, &talked(99_000)), (settled, vec![]));
    }

    #[test]
    fn a_purse_grants_what_it_can_pay_and_then_nothing() {
        let mut call = opened();
        assert_eq!(call.reserve(NOW, &more(1, 60), Purse::Prepaid(45_500)).0, granted(45, 45_000));
        let refused = Reserved::Refused { reason: "the balance does not suffice".into() };
        assert_eq!(call.reserve(NOW, &more(2, 60), Purse::Prepaid(500)).0, refused);
        assert_eq!(call.reserve(NOW, &more(2, 60), Purse::Prepaid(1_000_000)).0, refused, "the same answer");
    }

    #[test]
    fn what_was_talked_while_billing_was_away_is_charged_at_the_end() {
        let mut call = opened();
        call.reserve(NOW, &more(1, 60), Purse::Postpaid);
        let settled = call.settle(NOW, &talked(90_000)).0;
        assert_eq!(
            (settled.reserved.micros, settled.charged.micros, settled.released.micros),
            (90_000, 90_000, 0)
        );
        let never_reserved = opened().settle(NOW, &talked(10_000)).0;
        assert_eq!((never_reserved.reserved.micros, never_reserved.charged.micros), (10_000, 10_000));
    }

    #[test]
    fn a_call_thought_lost_is_still_charged_when_it_ends() {
        let mut call = opened();
        call.reserve(NOW, &more(1, 60), Purse::Postpaid);
        assert_eq!(call.abandon().len(), 1);
        assert_eq!((call.held(), call.state), (0, State::Abandoned));
        let settled = call.settle(NOW, &talked(10_000)).0;
        assert_eq!(
            (settled.reserved.micros, settled.charged.micros, settled.released.micros),
            (70_000, 10_000, 60_000)
        );
    }

    #[derive(Clone, Debug)]
    enum Step {
        Reserve(u32, u32),
        Settle(u64),
        Abandon,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (1_u32..6, 1_u32..200).prop_map(|(serial, seconds)| Step::Reserve(serial, seconds)),
            1 => (0_u64..600_000).prop_map(Step::Settle),
            1 => Just(Step::Abandon),
        ];
        proptest::collection::vec(step, 1..20)
    }

    proptest! {
        #[test]
        fn the_books_balance_after_every_step(steps in steps(), purse in 0_i64..500_000, step in 1_u32..90) {
            let mut call = opened();
            call.rate.step_seconds = step;
            let mut books: BTreeMap<Account, i64> = BTreeMap::new();
            let payer = call.payer();
            books.insert(payer.clone(), purse);
            let (mut by_state, mut written) = (books.clone(), None::<Reservation>);
            for step in steps {
                let left = Purse::Prepaid(books[&payer]);
                let postings = match step {
                    Step::Reserve(serial, seconds) => call.reserve(NOW, &more(serial, seconds), left).1,
                    Step::Settle(ms) => call.settle(NOW, &talked(ms)).1,
                    Step::Abandon => call.abandon(),
                };
                for posting in postings {
                    prop_assert!(posting.micros > 0);
                    *books.entry(posting.from).or_default() -= posting.micros;
                    *books.entry(posting.to).or_default() += posting.micros;
                }
                let of = |account: &Account| books.get(account).copied().unwrap_or_default();
                prop_assert_eq!(of(&call.set_aside()), call.held());
                prop_assert_eq!(of(&Account::Revenue), call.charged);
                prop_assert_eq!(books.values().sum::<i64>(), purse);
                prop_assert!(call.held() >= 0);
                prop_assert!(call.state == State::Open || call.held() == 0);
                // Books written from states, now and then, and twice.
                if call.changes.is_multiple_of(2) {
                    for _ in 0..2 {
                        for posting in call.since(written.as_ref()) {
                            *by_state.entry(posting.from).or_default() -= posting.micros;
                            *by_state.entry(posting.to).or_default() += posting.micros;
                        }
                        written = Some(call.clone());
                    }
                    prop_assert_eq!(by_state[&payer], of(&payer));
                    prop_assert_eq!(by_state[&payer], purse - call.taken());
                }
            }
        }
    }
}
