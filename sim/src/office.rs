use std::collections::BTreeMap;
use std::time::Duration;

use billing::{Answer, Asked, Desk, Question};
use contract::account::{Destination, Found, ListTenants, LookUp, Number, Tenant, Tenants, User};
use contract::billing::{Reserve, Settle};
use contract::record::{CallRecord, Keep, Kept};
use contract::{CallId, Conversation, Envelope, TenantId};
use ledger::{Rate, Reservation};
use machine::{Machine as _, Moment, Outbox};
use sip::digest::{Algorithm, Ha1};

use crate::books::Books;
use crate::fault::Fault;

/// A call of which nobody has spoken for so long gets its money back.
const ABANDONED: Duration = Duration::from_secs(180);

/// Accounts, books and records, in a store that nothing harms; the process in front of it may be away.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) is_there: bool,
    tenants: Vec<Tenant>,
    users: BTreeMap<(TenantId, String), User>,
    numbers: BTreeMap<(TenantId, String), Destination>,
    desk: Desk,
    books: Books,
    pub(crate) records: BTreeMap<CallId, CallRecord>,
    /// Whose record is whose: by the Call-ID of the caller's leg.
    pub(crate) attempts: BTreeMap<String, CallId>,
    /// Records that came just now.
    pub(crate) fresh: Vec<CallId>,
    pub(crate) power_failed: Option<Moment>,
    /// What is wrong with it, on purpose.
    pub(crate) fault: Option<Fault>,
}

/// What every user's password is.
pub(crate) const PASSWORD: &str = "secret";

impl Office {
    pub(crate) fn new() -> Self {
        let rate = Rate { micros_per_minute: 60_000, ..Rate::default() };
        Office {
            is_there: true,
            tenants: Vec::new(),
            users: BTreeMap::new(),
            numbers: BTreeMap::new(),
            desk: Desk::new(rate, ABANDONED),
            books: Books::default(),
            records: BTreeMap::new(),
            attempts: BTreeMap::new(),
            fresh: Vec::new(),
            power_failed: None,
            fault: None,
        }
    }

    pub(crate) fn add_tenant(&mut self, id: TenantId, domain: &str) {
        let domains = vec![domain.to_owned()];
        self.tenants.push(Tenant { id, name: domain.into(), domains, fallback: false });
    }

    pub(crate) fn domain(&self, id: TenantId) -> &str {
        self.tenants.iter().find(|tenant| tenant.id == id).map_or("", |tenant| &tenant.domains[0])
    }

    /// A new user; `prepaid` in millionths, none: pays later.
    pub(crate) fn add_user(&mut self, tenant: TenantId, name: &str, prepaid: Option<i64>) {
        if self.users.contains_key(&(tenant, name.to_owned())) {
            return;
        }
        let realm = self.domain(tenant).to_owned();
        let ha1 = |algorithm| {
            let ha1 = Ha1::new(algorithm, name.as_bytes(), realm.as_bytes(), PASSWORD.as_bytes());
            ha1.hex().as_str().to_owned()
        };
        let user = User {
            tenant,
            name: name.into(),
            ha1_md5: ha1(Algorithm::Md5),
            ha1_sha256: ha1(Algorithm::Sha256),
            realm: realm.clone(),
            ..User::default()
        };
        self.users.insert((tenant, name.into()), user);
        match prepaid {
            Some(micros) => {
                self.desk.prepaid(tenant, name, micros);
                self.books.paid_in(tenant, name, micros);
            }
            None => self.desk.postpaid(tenant, name),
        }
    }

    pub(crate) fn add_number(&mut self, tenant: TenantId, number: &str, to: Destination) {
        self.numbers.insert((tenant, number.into()), to);
    }

    /// All reservations there ever were.
    pub(crate) fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.desk.reservations()
    }

    pub(crate) fn reservation(&self, call: CallId) -> Option<&Reservation> {
        self.desk.reservation(call)
    }

    /// Answers, if it is there. What was written stays written even if the answer does not arrive.
    pub(crate) fn reads(&mut self, now: Moment, envelope: &Envelope) -> Option<Envelope> {
        if !self.is_there {
            return None;
        }
        let id = envelope.id;
        let body = &envelope.body;
        Some(match envelope.subject.as_str() {
            subject if subject == ListTenants::SUBJECT.to_string() => {
                Envelope::answer::<ListTenants>(id, &Tenants { tenants: self.tenants.clone() })
            }
            subject if subject == LookUp::SUBJECT.to_string() => {
                let asked: LookUp = read(body);
                Envelope::answer::<LookUp>(id, &self.find(asked))
            }
            subject if subject == Reserve::SUBJECT.to_string() => {
                self.bill(now, id, Question::Reserve(read(body)))
            }
            subject if subject == Settle::SUBJECT.to_string() => {
                self.bill(now, id, Question::Settle(read(body)))
            }
            subject if subject == Keep::SUBJECT.to_string() => {
                let Keep { records } = read(body);
                let ids = records.iter().map(|record| record.id).collect();
                records.into_iter().for_each(|record| self.keep(record));
                Envelope::answer::<Keep>(id, &Kept { ids })
            }
            subject => panic!("nobody asks the office this: {subject}"),
        })
    }

    fn find(&self, asked: LookUp) -> Found {
        let key = (asked.tenant, asked.name);
        if let Some(user) = self.users.get(&key) {
            return Found::User(user.clone());
        }
        match self.numbers.get(&key) {
            Some(to) => Found::Number(Number { tenant: key.0, number: key.1, to: to.clone() }),
            None => Found::Nobody,
        }
    }

    fn bill(&mut self, now: Moment, id: u64, question: Question) -> Envelope {
        let call = question.call();
        let mut out = Outbox::new();
        self.desk.handle(now, Asked { id, question }, &mut out);
        if let Some(mut it) = self.reservation(call).cloned() {
            if self.fault == Some(Fault::ReleasesNothing) {
                it.released = 0;
            }
            self.books.look(&self.desk, std::iter::once(&it));
        }
        match out.emit.pop().map(|told| told.answer) {
            Some(Answer::Reserved(answer)) => Envelope::answer::<Reserve>(id, &answer),
            Some(Answer::Settled(answer)) => Envelope::answer::<Settle>(id, &answer),
            None => panic!("billing says nothing"),
        }
    }

    /// Releases what was reserved for calls of which nobody speaks any more.
    pub(crate) fn expire(&mut self, now: Moment) {
        if !self.is_there || self.desk.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        self.desk.expire(now, &mut Outbox::new());
        self.books.look(&self.desk, self.desk.reservations());
    }

    fn keep(&mut self, record: CallRecord) {
        let mut again = record.clone();
        self.keep_once(record);
        match self.fault {
            Some(Fault::RecordsTwice) => again.cause.push('!'),
            Some(Fault::RecordsAsTwoCalls) => again.id.0 += 1,
            _ => return,
        }
        self.keep_once(again);
    }

    /// The store takes a record once, and there is one of each attempt.
    fn keep_once(&mut self, record: CallRecord) {
        if let Some(before) = self.records.get(&record.id) {
            assert_eq!(*before, record, "two records of one call");
            return;
        }
        let money = |money: &Option<contract::Money>| money.as_ref().map_or(0, |money| money.micros);
        let (price, reserved, released) = (&record.price, &record.reserved, &record.released);
        assert_eq!(money(reserved), money(price) + money(released), "the sums of {record:?} are wrong");
        if let Some(it) = self.reservation(record.id) {
            let said = [money(reserved), money(price), money(released)];
            assert_eq!(said, [it.reserved, it.charged, it.released], "{record:?} says otherwise than {it:?}");
        }
        if let Some(before) = self.attempts.insert(record.sip_call_id.clone(), record.id) {
            // The answer was on its way when the power failed, so the phone has asked again.
            let before = &self.records[&before];
            let is_asked_again = self.power_failed.is_some_and(|at| before.started <= at);
            assert!(is_asked_again, "two records of one attempt: {before:?}, {record:?}");
        }
        self.fresh.push(record.id);
        self.records.insert(record.id, record);
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    match contract::decode(body) {
        Ok(read) => read,
        Err(error) => panic!("a question that nobody can read: {error}"),
    }
}
