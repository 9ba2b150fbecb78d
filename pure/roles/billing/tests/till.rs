//! The till and its books, either of which may be away, slow or killed.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use contract::billing::{Reserve, Reserved, Settle};
use contract::{CallId, TenantId};
use ledger::{Account, Posting, Purse, Rate, Reservation, State};
use machine::{Key, Machine, Moment, Outbox};
use proptest::prelude::*;
use strowger_billing::{Answer, Asked, In, Out, Payer, Question, Till, Written};

const BRAND: TenantId = TenantId(1);
const PURSE: i64 = 500_000;

/// The books, as the store keeps them.
#[derive(Default)]
struct Books {
    reservations: BTreeMap<CallId, Reservation>,
    accounts: BTreeMap<Account, i64>,
}

impl Books {
    fn with(names: &[&str]) -> Self {
        let mut books = Books::default();
        for name in names {
            books.accounts.insert(Account::User { tenant: BRAND, name: (*name).into() }, PURSE);
        }
        books
    }

    fn of(&self, name: &str) -> i64 {
        self.accounts[&Account::User { tenant: BRAND, name: name.into() }]
    }

    fn purses(&self, payers: impl IntoIterator<Item = Payer>) -> Vec<(Payer, Purse)> {
        let purse = |payer: &Payer| {
            let account = Account::User { tenant: payer.0, name: payer.1.clone() };
            self.accounts.get(&account).map_or(Purse::Missing, |micros| Purse::Prepaid(*micros))
        };
        payers.into_iter().map(|payer| (payer.clone(), purse(&payer))).collect()
    }

    fn read(&self, calls: Vec<CallId>, payers: Vec<Payer>) -> In {
        let found = calls.iter().filter_map(|call| self.reservations.get(call).cloned()).collect();
        In::Read { calls, found, purses: self.purses(payers) }
    }

    fn write(&mut self, states: Vec<Reservation>) -> In {
        let mut written = Written::default();
        for state in states {
            let stored = self.reservations.get(&state.call);
            if stored.is_some_and(|stored| stored.changes > state.changes) {
                written.overtaken.push(stored.unwrap().clone());
                continue;
            }
            for Posting { from, to, micros } in state.since(stored) {
                *self.accounts.entry(from).or_default() -= micros;
                *self.accounts.entry(to).or_default() += micros;
            }
            written.purses = self.purses([(state.tenant, state.account.clone())]);
            self.reservations.insert(state.call, state);
        }
        In::Written(written)
    }
}

/// A till with its journal and its books.
struct Shop {
    till: Till,
    journal: BTreeMap<Key, Vec<u8>>,
    books: Books,
    /// What is on its way to the books.
    orders: VecDeque<Out>,
    told: Vec<(u64, Answer)>,
    now: Moment,
}

impl Shop {
    fn new() -> Self {
        Shop {
            till: till(),
            journal: BTreeMap::new(),
            books: Books::with(&["anna", "bert"]),
            orders: VecDeque::new(),
            told: Vec::new(),
            now: Moment::from_secs(1_000),
        }
    }

    fn happen(&mut self, input: In) {
        let mut out = Outbox::new();
        self.till.handle(self.now, input, &mut out);
        self.take(out);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
        let mut out = Outbox::new();
        self.till.expire(self.now, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Outbox<Out>) {
        for record in out.keep {
            match record.body.is_empty() {
                true => drop(self.journal.remove(&record.key)),
                false => drop(self.journal.insert(record.key, record.body)),
            }
        }
        for out in out.emit {
            match out {
                Out::Tell(told) => self.told.push((told.id, told.answer)),
                Out::Leave(_) => {}
                order => self.orders.push_back(order),
            }
        }
    }

    /// The books do the next thing that they were told, and say so or not.
    fn work(&mut self, done: bool, said: bool) {
        let Some(order) = self.orders.pop_front() else { return };
        let answer = match order {
            _ if !done => In::Away,
            Out::Read { calls, payers } => self.books.read(calls, payers),
            Out::Write(states) => self.books.write(states),
            Out::Tell(_) | Out::Leave(_) => unreachable!(),
        };
        self.happen(if said { answer } else { In::Away });
    }

    /// The process is killed. Its successor has the journal; the books may still do what they were told last.
    fn die(&mut self, late: bool) {
        while let Some(order) = self.orders.pop_front() {
            if let (true, Out::Write(states)) = (late, order) {
                self.books.write(states);
            }
        }
        self.till = till();
        for body in self.journal.values() {
            assert!(self.till.restore(self.now, body));
        }
    }

    fn quiet(&mut self) {
        for _ in 0..20 {
            self.pass(300);
            while !self.orders.is_empty() {
                self.work(true, true);
            }
        }
    }

    fn ask(&mut self, id: u64, question: Question) -> Option<Answer> {
        self.happen(In::Asked(Asked { id, question }));
        self.answer(id)
    }

    fn answer(&mut self, id: u64) -> Option<Answer> {
        let at = self.told.iter().position(|(it, _)| *it == id)?;
        Some(self.told.remove(at).1)
    }

    fn sure(&mut self, id: u64, question: Question) -> Answer {
        for _ in 0..10 {
            if let Some(answer) = self.ask(id, question.clone()) {
                return answer;
            }
            self.quiet();
            if let Some(answer) = self.answer(id) {
                return answer;
            }
        }
        panic!("no answer to {question:?}")
    }
}

fn till() -> Till {
    let rate = Rate { micros_per_minute: 60_000, ..Rate::default() };
    Till::new(rate, Duration::from_secs(86_400), Duration::from_secs(120))
}

fn more(call: u64, account: &str, serial: u32) -> Question {
    let (call, account) = (CallId(call), account.to_owned());
    Question::Reserve(Reserve { call, tenant: BRAND, account, dialed: "1".into(), serial, seconds: 60 })
}

fn over(call: u64, account: &str, talked_ms: u64) -> Question {
    let (call, account) = (CallId(call), account.to_owned());
    Question::Settle(Settle { call, tenant: BRAND, account, talked_ms, ..Settle::default() })
}

fn seconds(answer: &Answer) -> u32 {
    match answer {
        Answer::Reserved(Reserved::Granted { seconds, .. }) => *seconds,
        Answer::Reserved(_) => 0,
        Answer::Settled(_) => panic!("{answer:?}"),
    }
}

fn settled(answer: &Answer) -> (i64, i64, i64) {
    match answer {
        Answer::Settled(it) => (it.reserved.micros, it.charged.micros, it.released.micros),
        Answer::Reserved(_) => panic!("{answer:?}"),
    }
}

#[test]
fn a_crowd_that_does_not_fit_into_one_write_is_written_without_a_pause() {
    let mut shop = Shop::new();
    for call in 1..=2_500 {
        shop.ask(call, over(call, "anna", 0));
    }
    while let Some(Out::Read { .. }) = shop.orders.front() {
        shop.work(true, true);
    }
    shop.pass(100);
    let mut writes = Vec::new();
    while let Some(Out::Write(states)) = shop.orders.front() {
        writes.push(states.len());
        shop.work(true, true);
        shop.pass(0);
    }
    assert_eq!(writes, [1024, 1024], "the rest is no crowd");
    assert_eq!(shop.till.unwritten(), 2_500 - 2 * 1024);
    shop.quiet();
    assert_eq!((shop.till.unwritten(), shop.told.len()), (0, 2_500));
}

#[test]
fn who_waits_to_be_written_is_not_overtaken_for_ever_by_those_with_lower_numbers() {
    let mut shop = Shop::new();
    shop.sure(0, more(10_000, "anna", 1));
    shop.sure(1, over(10_000, "anna", 0));
    shop.quiet();
    shop.ask(2, over(5_000, "anna", 0));
    for round in 0..3 {
        // More than fit into one write come again and again before it.
        for call in 1..=1_100 {
            shop.ask(10_000 * (round + 1) + call, over(3 * call + round, "anna", 0));
        }
        while let Some(Out::Read { .. }) = shop.orders.front() {
            shop.work(true, true);
        }
        shop.pass(100);
        shop.work(true, true);
    }
    assert!(shop.answer(2).is_some(), "it was its turn");
}

#[test]
fn a_question_is_answered_at_once_where_the_purse_is_known_and_the_end_when_it_is_written() {
    let mut shop = Shop::new();
    assert_eq!(shop.ask(1, more(1, "anna", 1)), None, "the purse must be read");
    shop.work(true, true);
    assert_eq!(seconds(&shop.answer(1).unwrap()), 60);
    assert_eq!(seconds(&shop.ask(2, more(2, "anna", 1)).unwrap()), 60);
    assert_eq!(shop.ask(3, over(1, "anna", 10_000)), None);
    shop.pass(100);
    shop.work(true, true);
    assert_eq!(settled(&shop.answer(3).unwrap()), (60_000, 10_000, 50_000));
    assert_eq!(shop.books.of("anna"), PURSE - 70_000);
    assert_eq!(shop.journal.len(), 1, "only what goes on is kept");
    assert_eq!(settled(&shop.sure(4, over(1, "anna", 99_000))), (60_000, 10_000, 50_000), "a repeat");
}

#[test]
fn with_the_books_away_it_goes_on_from_what_it_knows_and_never_beyond_the_purse() {
    let mut shop = Shop::new();
    shop.ask(1, more(1, "anna", 1));
    shop.work(true, true);
    assert_eq!(shop.ask(2, more(2, "anna", 1)).as_ref().map(seconds), Some(60));
    shop.pass(100);
    shop.work(false, true);
    assert!(shop.till.is_away());
    shop.pass(3_600_000);
    let granted: u32 = (3..20).map(|call| seconds(&shop.ask(call, more(call, "anna", 1)).unwrap())).sum();
    assert_eq!(granted + 120, 500, "all that was paid, and not a second more");
    assert_eq!(settled(&shop.ask(30, over(2, "anna", 1_000)).unwrap()), (60_000, 1_000, 59_000));
    let credit: Vec<_> = (1..=3)
        .map(|serial| seconds(&shop.ask(30 + u64::from(serial), more(31, "bert", serial)).unwrap()))
        .collect();
    assert_eq!(credit, [60, 60, 0], "nobody knows bert, who may go on for two minutes");
    shop.die(false);
    assert_eq!(settled(&shop.sure(40, over(2, "anna", 1_000))), (60_000, 1_000, 59_000));
    shop.quiet();
    assert_eq!(shop.books.of("anna"), PURSE - 500_000 + 59_000);
}

#[test]
fn who_is_refused_is_refused_for_what_the_purse_is_now() {
    let mut shop = Shop::new();
    for call in 1..=8 {
        shop.sure(call, more(call, "anna", 1));
    }
    shop.quiet();
    assert_eq!(seconds(&shop.sure(9, more(9, "anna", 1))), 20);
    let purse = Account::User { tenant: BRAND, name: "anna".into() };
    shop.quiet();
    *shop.books.accounts.get_mut(&purse).unwrap() += 1_000_000;
    shop.pass(1_000);
    assert_eq!(seconds(&shop.sure(10, more(10, "anna", 1))), 60, "filled a moment ago");
}

#[test]
fn a_lost_calls_money_goes_back() {
    let mut shop = Shop::new();
    shop.sure(1, more(1, "anna", 1));
    shop.quiet();
    shop.journal.clear();
    shop.die(false);
    shop.pass(90_000_000);
    let silent = shop.books.reservations.values().cloned().collect();
    shop.happen(In::Silent(silent));
    shop.quiet();
    assert_eq!(shop.books.of("anna"), PURSE);
    assert_eq!(shop.books.reservations[&CallId(1)].state, State::Abandoned);
    assert_eq!(settled(&shop.sure(2, over(1, "anna", 10_000))), (70_000, 10_000, 60_000));
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(u64),
    Settle(u64, u64),
    Pass(u64),
    Work { done: bool, said: bool },
    Die { late: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u64..6).prop_map(Step::Reserve),
        3 => (0_u64..6, 0_u64..200_000).prop_map(|(call, ms)| Step::Settle(call, ms)),
        4 => (0_u64..400).prop_map(Step::Pass),
        8 => Just(Step::Work { done: true, said: true }),
        1 => Just(Step::Work { done: true, said: false }),
        1 => Just(Step::Work { done: false, said: true }),
        1 => any::<bool>().prop_map(|late| Step::Die { late }),
    ];
    proptest::collection::vec(step, 1..80)
}

fn name(call: u64) -> &'static str {
    if call.is_multiple_of(2) { "anna" } else { "bert" }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever dies, whenever, and whatever the books did or did not say: in the end reserved is charged and
    /// released for each call, the purses say the same, and nobody was granted more than was there.
    #[test]
    fn money_is_neither_lost_nor_made(steps in steps()) {
        let mut shop = Shop::new();
        let mut serials = [0_u32; 6];
        let mut over_at = [None::<u64>; 6];
        let mut id = 100;
        for step in steps {
            id += 1;
            match step {
                Step::Reserve(call) if over_at[call as usize].is_none() => {
                    // As an exchange does: the next serial once the one before is answered.
                    let serial = serials[call as usize] + 1;
                    if shop.ask(id, more(call, name(call), serial)).is_some() {
                        serials[call as usize] = serial;
                    }
                }
                Step::Settle(call, ms) if serials[call as usize] > 0 => {
                    let ms = *over_at[call as usize].get_or_insert(ms);
                    shop.ask(id, over(call, name(call), ms));
                }
                Step::Reserve(_) | Step::Settle(..) => {}
                Step::Pass(ms) => shop.pass(ms),
                Step::Work { done, said } => shop.work(done, said),
                Step::Die { late } => shop.die(late),
            }
        }
        for call in 0..6 {
            id += 1;
            let ms = over_at[call as usize].unwrap_or(7_000);
            let (reserved, charged, released) = settled(&shop.sure(id, over(call, name(call), ms)));
            prop_assert_eq!(reserved, charged + released);
            prop_assert_eq!(charged, i64::try_from(ms.div_ceil(1_000)).unwrap() * 1_000);
        }
        shop.quiet();
        prop_assert!(shop.journal.is_empty(), "{:?}", shop.journal);
        for who in ["anna", "bert"] {
            let calls = shop.books.reservations.values().filter(|it| it.account == who);
            prop_assert_eq!(shop.books.of(who), PURSE - calls.map(|it| it.charged).sum::<i64>());
        }
        prop_assert!(shop.books.reservations.values().all(|it| it.held() == 0));
        prop_assert_eq!(shop.books.accounts.values().sum::<i64>(), 2 * PURSE);
    }
}
