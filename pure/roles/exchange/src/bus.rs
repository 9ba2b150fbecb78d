//! What comes on the bus: answers to our questions, notices, and questions of others.

use call::Answer;
use contract::account::{Changed, Doubt, Found, LookUp, Tenants};
use contract::app::Instructions;
use contract::billing::{Reserved, Settled};
use contract::domains::Domains;
use contract::media::{Anchored, Noticed, Released};
use contract::moving::MoveCall;
use contract::paths::{Conditions, ShowConditions};
use contract::query::{Gauge, HangUp, ListCalls, ListRegistrations};
use contract::record::Kept;
use contract::registration::{Give, Locate, Located, Reach, Reached, Take};
use contract::{CallId, Conversation, Envelope, Kind, Notice, Role, Subject, TenantId, decode};
use machine::{Key, Moment, Outbox, Record, Shard};
use serde::de::DeserializeOwned;

use crate::accounts::Learned;
use crate::decide::Question;
use crate::exchange::{Exchange, Out, Timer};
use crate::kept;
use crate::questions::{About, Open, Topic};

impl From<Question> for About {
    fn from(question: Question) -> Self {
        match question {
            Question::Tenants => About::Tenants,
            Question::Account(look_up) => About::Account(look_up),
        }
    }
}

impl Exchange {
    /// Takes an envelope.
    pub(crate) fn bus(&mut self, now: Moment, envelope: Envelope, out: &mut Outbox<Out>) {
        match envelope.kind {
            Kind::Answer => self.answered(envelope.id, &envelope.body, now, out),
            Kind::Notice => self.noticed(&envelope, now, out),
            Kind::Request => self.asked(&envelope, now, out),
        }
    }

    /// Asks on the bus, unless the same question is open.
    pub(crate) fn ask(&mut self, about: About, now: Moment, out: &mut Outbox<Out>) {
        if let Some(id) = self.questions.open(about) {
            self.say_question(id, now, out);
        }
    }

    fn say_question(&mut self, id: u64, now: Moment, out: &mut Outbox<Out>) -> u8 {
        let Some((envelope, pause, tries)) = self.questions.ask(id) else { return 0 };
        out.emit(Out::Bus(envelope));
        self.timers.set(Timer::Question(id), Some(now.after(pause)));
        tries
    }

    /// A question was not answered in time.
    pub(crate) fn ask_again(&mut self, id: u64, now: Moment, out: &mut Outbox<Out>) {
        let Some(Open::Own { about, tries, .. }) = self.questions.get(id) else { return };
        let most = match about {
            About::Phones { .. } | About::Reach(_) => self.view.settings.waiting.tries_of_owners,
            About::Tenants | About::Account(_) | About::Records(_) => self.view.settings.waiting.tries,
        };
        let is_last = *tries >= most;
        match about {
            About::Tenants | About::Records(_) => {
                // These are asked until they are answered.
                if is_last {
                    self.counters.unanswered += 1;
                    self.give_up(id, now, out);
                }
                self.say_question(id, now, out);
            }
            About::Account(_) if is_last => {
                self.counters.unanswered += 1;
                self.questions.close(id);
                self.give_up(id, now, out);
            }
            About::Phones { call, serial, .. } if is_last => {
                let (call, serial) = (*call, *serial);
                self.counters.unanswered += 1;
                self.questions.close(id);
                self.no_way(call, serial, now, out);
            }
            About::Reach(reaching) if is_last => {
                let reaching = (**reaching).clone();
                self.counters.unanswered += 1;
                self.questions.close(id);
                self.cut_off(reaching, now, out);
            }
            About::Account(_) | About::Phones { .. } | About::Reach(_) => {
                self.say_question(id, now, out);
            }
        }
    }

    fn answered(&mut self, id: u64, body: &[u8], now: Moment, out: &mut Outbox<Out>) {
        if self.questions.was_in_doubt(id) {
            self.say_question(id, now, out);
            return;
        }
        let Some(open) = self.questions.get(id).cloned() else { return };
        let understood = match open {
            Open::Own { about, .. } => self.answered_us(id, about, body, now, out),
            Open::Calls { call, topic, serial } => {
                self.answered_call(id, (call, topic, serial), body, now, out)
            }
        };
        if understood.is_none() {
            self.counters.unreadable += 1;
        }
    }

    fn answered_us(
        &mut self,
        id: u64,
        about: About,
        body: &[u8],
        now: Moment,
        out: &mut Outbox<Out>,
    ) -> Option<()> {
        match about {
            About::Tenants => self.learn_tenants(decode(body).ok()?, body, now, out),
            About::Account(look_up) => {
                let found: Found = decode(body).ok()?;
                if found == Found::Unknown {
                    return None;
                }
                self.learn(&look_up, &found, out, now);
            }
            About::Phones { call, serial, aor } => {
                let located: Located = decode(body).ok()?;
                self.close(id);
                self.located((call, serial), aor, located, now, out);
                return Some(());
            }
            About::Reach(reaching) => {
                let reached: Reached = decode(body).ok()?;
                self.close(id);
                self.reached(*reaching, reached, now, out);
                return Some(());
            }
            About::Records(_) => {
                let Kept { ids } = decode(body).ok()?;
                self.close(id);
                self.records_are_safe(&ids, now, out);
                return Some(());
            }
        }
        self.close(id);
        self.wake(id, now, out);
        Some(())
    }

    pub(crate) fn close(&mut self, id: u64) {
        self.questions.close(id);
        self.timers.set(Timer::Question(id), None);
    }

    fn answered_call(
        &mut self,
        id: u64,
        (call, topic, serial): (CallId, Topic, u32),
        body: &[u8],
        now: Moment,
        out: &mut Outbox<Out>,
    ) -> Option<()> {
        let answer = match topic {
            Topic::Anchor => Answer::Anchored { serial, anchored: read::<Anchored>(body)? },
            Topic::Release => Answer::Released(read::<Released>(body)?),
            Topic::Leave => Answer::Left { serial, released: read::<Released>(body)? },
            Topic::Reserve => Answer::Reserved { serial, reserved: read::<Reserved>(body)? },
            Topic::Settle => Answer::Settled(read::<Settled>(body)?),
            Topic::App => Answer::Instructions { serial, instructions: read::<Instructions>(body)? },
        };
        self.questions.close(id);
        self.tell(call, answer, now, out);
        Some(())
    }

    fn learn_tenants(&mut self, tenants: Tenants, body: &[u8], now: Moment, out: &mut Outbox<Out>) {
        self.view.domains_in_doubt = false;
        let known = self.view.domains.as_ref().map(Domains::all);
        if known != Some(&tenants.tenants) {
            self.view.domains = Some(Domains::new(tenants));
            let (tag, key) = (kept::TENANTS, kept::TENANTS_KEY);
            out.keep(Record { tag, shard: Shard::default(), key, body: body.to_vec() });
        }
        let later = now.after(self.view.settings.accounts.fresh);
        self.timers.set(Timer::Tenants, Some(later));
    }

    pub(crate) fn learn(&mut self, asked: &LookUp, found: &Found, out: &mut Outbox<Out>, now: Moment) {
        let learned = self.view.accounts.learn(asked, found, now);
        for learned in learned.into_iter().flatten() {
            keep_account(learned, out);
        }
    }

    /// Asks about an account again, if what is known of it is old; nobody waits for the answer, so it is not
    /// asked when much else is open.
    pub(crate) fn confirm(&mut self, account: u128, now: Moment, out: &mut Outbox<Out>) {
        if self.questions.len() > self.view.settings.waiting.room {
            return;
        }
        if let Some(look_up) = self.view.accounts.due(account, now) {
            self.ask(About::Account(look_up), now, out);
        }
    }

    fn noticed(&mut self, envelope: &Envelope, now: Moment, out: &mut Outbox<Out>) {
        let understood = match verb(&envelope.subject) {
            Some(verb) if verb == Noticed::SUBJECT.verb => read(&envelope.body).map(|noticed: Noticed| {
                let is_here = self.with_call(noticed.call, now, out, |call, world, now, said| {
                    call.noticed(&noticed, world, now, said);
                });
                if let Some(shard) = envelope.shard.filter(|shard| !is_here && self.owns(*shard)) {
                    self.lay_ghost(&noticed, shard, out);
                }
            }),
            Some(verb) if verb == Changed::SUBJECT.verb => {
                read(&envelope.body).map(|changed| self.changed(changed, now, out))
            }
            Some(verb) if verb == Conditions::SUBJECT.verb => {
                read(&envelope.body).map(|said| self.learn_conditions(said, now))
            }
            Some(verb) if verb == Doubt::SUBJECT.verb => {
                self.doubt(now, out);
                Some(())
            }
            Some(_) | None => None,
        };
        if understood.is_none() {
            self.counters.unreadable += 1;
        }
    }

    fn changed(&mut self, changed: Changed, now: Moment, out: &mut Outbox<Out>) {
        let Some(name) = changed.name else { return self.doubt_tenants(now, out) };
        self.questions.doubt(&About::Account(LookUp { tenant: changed.tenant, name: name.clone() }));
        self.forget_account(changed.tenant, &name, out);
    }

    /// Forgets what is known of a user or a number: it is asked for when it is next needed.
    pub(crate) fn forget_account(&mut self, tenant: TenantId, name: &str, out: &mut Outbox<Out>) {
        let key = self.view.accounts.key(tenant, name.as_bytes());
        self.view.accounts.forget_absence(key);
        if let Some(forgotten) = self.view.accounts.forget(key) {
            keep_account(forgotten, out);
        }
    }

    /// Whatever we remember of others may have changed. As after a restart: it is used, and confirmed at its next use.
    fn doubt(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.questions.doubt_accounts();
        self.view.accounts.doubt(now);
        self.doubt_tenants(now, out);
    }

    fn doubt_tenants(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.questions.doubt(&About::Tenants);
        self.view.domains_in_doubt = true;
        self.ask(About::Tenants, now, out);
    }

    fn asked(&mut self, envelope: &Envelope, now: Moment, out: &mut Outbox<Out>) {
        let (id, body) = (envelope.id, &envelope.body[..]);
        let answer = match verb(&envelope.subject) {
            Some(verb) if verb == Locate::SUBJECT.verb => {
                read(body).map(|asked: Locate| Envelope::answer::<Locate>(id, &self.locate(&asked, now)))
            }
            Some(verb) if verb == Reach::SUBJECT.verb => match read(body) {
                Some(asked) => return self.asked_to_reach(envelope, asked, now, out),
                None => None,
            },
            Some(verb) if verb == Give::SUBJECT.verb => {
                read(body).map(|asked| Envelope::answer::<Give>(id, &self.give(&asked, now, out)))
            }
            Some(verb) if verb == Take::SUBJECT.verb => {
                read(body).map(|asked| Envelope::answer::<Take>(id, &self.take_bindings(&asked, now, out)))
            }
            Some(verb) if verb == ListCalls::SUBJECT.verb => {
                read(body).map(|asked| Envelope::answer::<ListCalls>(id, &self.list_calls(&asked)))
            }
            Some(verb) if verb == ListRegistrations::SUBJECT.verb => read(body).map(|asked| {
                Envelope::answer::<ListRegistrations>(id, &self.list_registrations(&asked, now))
            }),
            Some(verb) if verb == HangUp::SUBJECT.verb => {
                read(body).map(|asked| Envelope::answer::<HangUp>(id, &self.hang_up(&asked, now, out)))
            }
            Some(verb) if verb == MoveCall::SUBJECT.verb => {
                read(body).map(|asked| Envelope::answer::<MoveCall>(id, &self.move_call(&asked, now, out)))
            }
            Some(verb) if verb == ShowConditions::SUBJECT.verb => {
                Some(Envelope::answer::<ShowConditions>(id, &self.conditions(now)))
            }
            Some(verb) if verb == Gauge::SUBJECT.verb => Some(Envelope::answer::<Gauge>(id, &self.gauges())),
            Some(_) | None => None,
        };
        match answer {
            Some(answer) => out.emit(Out::Bus(answer)),
            None => self.counters.unreadable += 1,
        }
    }

    /// Sends the store what it does not have yet, one batch after another.
    pub(crate) fn keep_records(&mut self, now: Moment, out: &mut Outbox<Out>) {
        let about = About::Records(Vec::new());
        if self.records.len() == 0 || self.questions.is_open(self.questions.id(&about)) {
            return;
        }
        let records = self.records.next(self.view.settings.records_at_once);
        self.ask(About::Records(records), now, out);
    }

    fn records_are_safe(&mut self, ids: &[CallId], now: Moment, out: &mut Outbox<Out>) {
        let before = self.records.len();
        for &id in ids {
            if let Some(record) = self.records.is_safe(id) {
                out.keep(record);
            }
        }
        if self.records.len() < before {
            self.keep_records(now, out);
        } else {
            // It answered, but kept nothing: not at once again.
            let later = now.after(contract::record::Keep::WITHIN);
            self.timers.set(Timer::Records, Some(later));
        }
    }
}

fn keep_account(Learned { key, body }: Learned, out: &mut Outbox<Out>) {
    out.keep(Record { tag: kept::ACCOUNT, shard: Shard::default(), key: Key(key), body });
}

/// Whether media says this.
pub(crate) fn is_about_media(envelope: &Envelope) -> bool {
    verb(&envelope.subject) == Some(Noticed::SUBJECT.verb)
}

/// Which call media speaks of.
pub(crate) fn noticed_call(body: &[u8]) -> Option<CallId> {
    read::<Noticed>(body).map(|noticed| noticed.call)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    decode(body).ok()
}

/// The verb, if the exchange is spoken to.
pub(crate) fn verb(subject: &str) -> Option<&str> {
    const OURS: Subject = Subject::new(Role::Exchange, "");
    subject.strip_prefix(OURS.role.name())?.strip_prefix('.')
}
