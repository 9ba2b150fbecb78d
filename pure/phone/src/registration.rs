//! RFC 3261 10.2: a phone keeps itself registered.

use std::time::Duration;

use machine::Moment;
use sip::digest::{Authenticator, Prospect};
use sip::leg::Login;
use sip::transaction::{ClientOther, Heard};
use sip::{Message, Method, Name, Status, Writer};

use crate::settings::{Names, Settings};

/// What came of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Registered { seconds: u32 },
    Unregistered,
    Refused { status: Status },
    Unanswered,
}

/// The phone's registration.
#[derive(Debug)]
pub(crate) struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    branch: String,
    wanted: u32,
    transaction: ClientOther,
    authenticator: Authenticator,
    refresh: Option<Moment>,
    attempts: u8,
}

impl Registration {
    pub(crate) fn new(settings: &Settings, names: &mut Names) -> Self {
        let password = settings.password.clone().unwrap_or_default();
        Registration {
            call_id: format!("{}@{}", names.next(), settings.local.ip()),
            tag: names.next(),
            cseq: 0,
            branch: String::new(),
            wanted: settings.expires,
            transaction: ClientOther::Terminated,
            authenticator: Authenticator::new(Login { user: settings.user.clone(), password }),
            refresh: None,
            attempts: 0,
        }
    }

    pub(crate) fn owns(&self, call_id: &[u8]) -> bool {
        call_id == self.call_id.as_bytes()
    }

    /// Registers for `seconds`; 0 unregisters.
    pub(crate) fn ask(
        &mut self,
        seconds: u32,
        settings: &Settings,
        names: &mut Names,
        now: Moment,
        send: &mut Vec<Vec<u8>>,
    ) {
        self.wanted = seconds;
        self.attempts = 0;
        self.refresh = None;
        self.say(settings, names, now, send);
    }

    fn say(&mut self, settings: &Settings, names: &mut Names, now: Moment, send: &mut Vec<Vec<u8>>) {
        self.cseq += 1;
        self.branch = format!("z9hG4bK{}", names.next());
        let aor = format!("<sip:{}@{}>", settings.user, settings.domain);
        let uri = format!("sip:{}", settings.domain);
        let credentials = self.authenticator.headers(Method::Register, uri.as_bytes(), &names.next());
        let mut bytes = Vec::with_capacity(700);
        let via = format!("SIP/2.0/{} {};rport;branch={}", settings.via(), settings.local, self.branch);
        let mut writer = Writer::request(&mut bytes, Method::Register, &uri)
            .header(Name::Via, via)
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("{aor};tag={}", self.tag))
            .header(Name::To, aor)
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format!("{} REGISTER", self.cseq))
            .header(Name::Contact, settings.contact())
            .number(Name::Expires, self.wanted.into())
            .header(Name::Supported, "path")
            .header(Name::UserAgent, "strowger-phone");
        for (name, value) in credentials {
            writer = writer.header(name, value);
        }
        writer.empty_body();
        let timing = &settings.timing.transaction;
        self.transaction = ClientOther::start(bytes, settings.is_reliable(), now, timing, send);
    }

    /// Takes a response.
    pub(crate) fn receive(
        &mut self,
        response: &Message<&[u8]>,
        settings: &Settings,
        names: &mut Names,
        now: Moment,
        send: &mut Vec<Vec<u8>>,
    ) -> Option<Outcome> {
        let status = response.status()?;
        let ours = response.top_via().ok()?.branch() == Some(self.branch.as_str());
        if !ours || self.transaction.receive(now, status, &settings.timing.transaction) != Heard::News {
            return None;
        }
        if !status.is_final() {
            return None;
        }
        self.attempts += 1;
        match status.code() {
            401 | 407
                if self.attempts < 4 && self.authenticator.challenged(response) == Prospect::TryAgain =>
            {
                self.say(settings, names, now, send);
                None
            }
            423 if self.attempts < 4 => {
                self.wanted = response.min_expires().ok().flatten().unwrap_or(self.wanted.saturating_mul(2));
                self.say(settings, names, now, send);
                None
            }
            200..=299 if self.wanted == 0 => Some(Outcome::Unregistered),
            200..=299 => {
                let seconds = granted(response, &settings.contact()).unwrap_or(self.wanted);
                // Half of it: time for a second try, and for a server that was away.
                self.refresh = Some(now.after(Duration::from_secs(u64::from(seconds.max(2)) / 2)));
                Some(Outcome::Registered { seconds })
            }
            _ => {
                self.later(now);
                Some(Outcome::Refused { status })
            }
        }
    }

    fn later(&mut self, now: Moment) {
        if self.wanted > 0 {
            self.refresh = Some(now.after(Duration::from_secs(30)));
        }
    }

    pub(crate) fn expire(
        &mut self,
        settings: &Settings,
        names: &mut Names,
        now: Moment,
        send: &mut Vec<Vec<u8>>,
    ) -> Option<Outcome> {
        if self.refresh.is_some_and(|at| at <= now) {
            self.ask(self.wanted, settings, names, now, send);
        }
        let timed_out = self.transaction.expire(now, &settings.timing.transaction, send);
        timed_out.map(|_| {
            self.later(now);
            Outcome::Unanswered
        })
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        [self.transaction.deadline(), self.refresh].into_iter().flatten().min()
    }
}

/// The time that the registrar gave our own contact, or all of them.
fn granted(response: &Message<&[u8]>, contact: &str) -> Option<u32> {
    let uri = contact.trim_matches(['<', '>']);
    let own = response.contacts().flatten().find(|bound| bound.address.uri_bytes == uri.as_bytes());
    own.and_then(|bound| bound.expires().ok().flatten()).or_else(|| response.expires().ok().flatten())
}
