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

/// Accounts, books and records, in a store that nothing harms; the process in front of it may be away.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) is_there: bool,
    tenants: Vec<Tenant>,
    users: BTreeMap<(TenantId, String), User>,
    numbers: BTreeMap<(TenantId, String), Destination>,
    desk: Desk,
    pub(crate) records: BTreeMap<CallId, CallRecord>,
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
            desk: Desk::new(rate, Duration::from_secs(24 * 3600)),
            records: BTreeMap::new(),
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
            Some(micros) => self.desk.prepaid(tenant, name, micros),
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
        self.desk.reservations().find(|it| it.call == call)
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
        if let Some(it) = self.reservation(call) {
            let held = it.reserved - it.charged - it.released;
            assert!(held >= 0, "more was charged and released than reserved: {it:?}");
        }
        match out.emit.pop().map(|told| told.answer) {
            Some(Answer::Reserved(answer)) => Envelope::answer::<Reserve>(id, &answer),
            Some(Answer::Settled(answer)) => Envelope::answer::<Settle>(id, &answer),
            None => panic!("billing says nothing"),
        }
    }

    /// The store takes a record once.
    fn keep(&mut self, record: CallRecord) {
        if let Some(before) = self.records.get(&record.id) {
            assert_eq!(*before, record, "two records of one call");
            return;
        }
        let money = |money: &Option<contract::Money>| money.as_ref().map_or(0, |money| money.micros);
        let (price, reserved, released) = (&record.price, &record.reserved, &record.released);
        assert_eq!(money(reserved), money(price) + money(released), "the sums of {record:?} are wrong");
        self.records.insert(record.id, record);
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    match contract::decode(body) {
        Ok(read) => read,
        Err(error) => panic!("a question that nobody can read: {error}"),
    }
}
