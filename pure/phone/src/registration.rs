//! RFC 3261 10.2: a phone keeps itself registered, with another server if one fails (RFC 5626 4.5).

use std::time::Duration;

use machine::{Moment, Outbox};
use sip::digest::{Authenticator, Prospect};
use sip::leg::Login;
use sip::transaction::{ClientOther, Heard};
use sip::{CSeq, Message, Method, Name, Status, Writer};

use crate::names::Names;
use crate::settings::Settings;
use crate::talk::{Event, Out};

/// How often a REGISTER is sent again at once, with something changed.
const ATTEMPTS: u8 = 4;
/// When every server has failed: first, and at most.
const BACK_OFF: (u64, u64) = (30, 1800);

/// What a registration borrows from its phone.
pub(crate) struct Desk<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) names: &'a mut Names,
    pub(crate) now: Moment,
    pub(crate) out: &'a mut Outbox<Out>,
}

impl Desk<'_> {
    fn tell(&mut self, event: Event) {
        self.out.emit(Out::Event(event));
    }
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
    again: Option<Moment>,
    attempts: u8,
    server: usize,
    /// Servers that failed, one after the other.
    failed: u32,
    /// When a server that has said nothing yet is left for the next one.
    silent_at: Option<Moment>,
    /// When to look whether the first server is back.
    home_at: Option<Moment>,
    /// The REGISTER under way only looks whether the first server is back.
    is_looking_home: bool,
}

impl Registration {
    pub(crate) fn new(settings: &Settings, names: &mut Names) -> Self {
        let password = settings.password.clone().unwrap_or_default();
        Registration {
            call_id: format!("{}@{}", names.next(), settings.local.ip()),
            tag: names.next(),
            cseq: 0,
            branch: String::new(),
            wanted: 0,
            transaction: ClientOther::Terminated,
            authenticator: Authenticator::new(Login { user: settings.user.clone(), password }),
            again: None,
            attempts: 0,
            server: 0,
            failed: 0,
            silent_at: None,
            home_at: None,
            is_looking_home: false,
        }
    }

    pub(crate) fn owns(&self, message: &Message<&[u8]>) -> bool {
        message.is_response() && message.call_id().ok() == Some(self.call_id.as_bytes())
    }

    /// Registers for `seconds`; 0 unregisters.
    pub(crate) fn ask(&mut self, seconds: u32, desk: &mut Desk<'_>) {
        self.wanted = seconds;
        self.failed = 0;
        self.begin(desk);
    }

    /// Whoever was registered is so again, once the way is there again.
    pub(crate) fn reconnected(&mut self, desk: &mut Desk<'_>) {
        if self.wanted > 0 {
            self.begin(desk);
        }
    }

    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.attempts = 0;
        self.again = None;
        self.is_looking_home = false;
        self.say(desk);
    }

    /// The server that the phone talks to.
    pub(crate) fn server(&self) -> usize {
        self.server
    }

    /// A call found that `server` doesn't answer: whoever talks to it turns to the next one. Says which that is.
    pub(crate) fn leave(&mut self, server: usize, desk: &mut Desk<'_>) -> usize {
        if server == self.server {
            self.turn_to((self.server + 1) % desk.settings.servers.max(1), desk);
            if self.wanted > 0 {
                self.failed = 1;
                self.begin(desk);
            }
        }
        self.server
    }

    fn turn_to(&mut self, server: usize, desk: &mut Desk<'_>) {
        self.server = server;
        desk.tell(Event::Server(server));
        self.home_at = (server != 0).then(|| homesick(desk));
    }

    /// It is time to look whether the first server is back.
    fn look_home(&mut self, is_idle: bool, desk: &mut Desk<'_>) {
        let is_asking = self.transaction.deadline().is_some();
        if !is_idle || is_asking {
            // Calls end where they were begun.
            self.home_at = Some(homesick(desk));
        } else if self.wanted == 0 {
            self.turn_to(0, desk);
        } else if desk.settings.is_reliable() {
            // There is one connection: it leads there from now on.
            self.turn_to(0, desk);
            self.failed = 0;
            self.begin(desk);
        } else {
            self.home_at = None;
            self.attempts = 0;
            self.is_looking_home = true;
            self.say(desk);
        }
    }

    fn say(&mut self, desk: &mut Desk<'_>) {
        let server = if self.is_looking_home { 0 } else { self.server };
        let is_beside = server != self.server;
        self.silent_at = (desk.settings.servers > 1).then(|| desk.now.after(desk.settings.patience));
        let Desk { settings, names, now, out } = desk;
        self.cseq += 1;
        self.branch = format!("z9hG4bK{}", names.next());
        let aor = format!("<sip:{}@{}>", settings.user, settings.domain);
        let uri = format!("sip:{}", settings.domain);
        let credentials = self.authenticator.headers(Method::Register, uri.as_bytes(), &names.next());
        let via = format!("SIP/2.0/{} {};branch={};rport", settings.via(), settings.local, self.branch);
        let mut bytes = Vec::with_capacity(700);
        let mut writer = Writer::request(&mut bytes, Method::Register, &uri)
            .header(Name::Via, via)
            .number(Name::MaxForwards, 70)
            .header(Name::From, format!("{aor};tag={}", self.tag))
            .header(Name::To, aor)
            .header(Name::CallId, &self.call_id)
            .cseq(CSeq { number: self.cseq, method: Method::Register })
            .header(Name::Contact, settings.contact())
            .number(Name::Expires, self.wanted.into())
            .header(Name::Supported, "path")
            .header(Name::UserAgent, crate::AGENT);
        for (name, value) in credentials {
            writer = writer.header(name, value);
        }
        writer.empty_body();
        let (timing, mut send) = (&settings.timing.transaction, Vec::new());
        self.transaction = ClientOther::start(bytes, settings.is_reliable(), *now, timing, &mut send);
        send.into_iter().for_each(|bytes| match is_beside {
            true => out.emit(Out::Beside(server, bytes)),
            false => out.emit(Out::Sip(bytes)),
        });
    }

    /// Takes a response.
    pub(crate) fn receive(&mut self, response: &Message<&[u8]>, desk: &mut Desk<'_>) {
        let Some(status) = response.status() else { return };
        let ours = response.top_via().is_ok_and(|via| via.branch() == Some(self.branch.as_str()));
        let timing = &desk.settings.timing.transaction;
        self.silent_at = self.silent_at.filter(|_| !ours);
        if !ours || self.transaction.receive(desk.now, status, timing) != Heard::News || !status.is_final() {
            return;
        }
        self.attempts += 1;
        match status {
            _ if status.is_success() => self.registered(response, desk),
            Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED
                if self.attempts < ATTEMPTS
                    && self.authenticator.challenged(response) == Prospect::TryAgain =>
            {
                self.say(desk);
            }
            Status::INTERVAL_TOO_BRIEF if self.attempts < ATTEMPTS => {
                let least = response.min_expires().ok().flatten().filter(|&least| least > self.wanted);
                self.wanted = least.unwrap_or(self.wanted.saturating_mul(2));
                self.say(desk);
            }
            _ => {
                let after = response.retry_after().ok().flatten().map(|after| after.secs);
                self.failed(Some(status), after, desk);
            }
        }
    }

    fn registered(&mut self, response: &Message<&[u8]>, desk: &mut Desk<'_>) {
        self.failed = 0;
        if std::mem::take(&mut self.is_looking_home) {
            self.turn_to(0, desk);
        }
        if self.wanted == 0 {
            return desk.tell(Event::Unregistered);
        }
        let seconds = granted(response, &desk.settings.contact()).unwrap_or(self.wanted);
        // At half of it: time for a second try, and for a server that was away.
        self.again = Some(desk.now.after(Duration::from_secs(u64::from(seconds.max(2)) / 2)));
        desk.tell(Event::Registered(seconds));
    }

    /// One server has failed: the next one at once, and all of them again a little later.
    fn failed(&mut self, status: Option<Status>, after: Option<u32>, desk: &mut Desk<'_>) {
        self.silent_at = None;
        self.transaction = ClientOther::Terminated;
        if std::mem::take(&mut self.is_looking_home) {
            self.home_at = Some(homesick(desk));
            return;
        }
        let servers = u32::try_from(desk.settings.servers).unwrap_or(u32::MAX).max(1);
        let is_down = status.is_none_or(|status| {
            status.class() == 5 || matches!(status, Status::REQUEST_TIMEOUT | Status::FLOW_FAILED)
        });
        self.failed = self.failed.saturating_add(1);
        if is_down && servers > 1 {
            self.turn_to((self.server + 1) % desk.settings.servers, desk);
            if !self.failed.is_multiple_of(servers) {
                return self.begin(desk);
            }
        }
        if self.wanted > 0 {
            let rounds = (self.failed / servers).clamp(1, 8) - 1;
            let most = (BACK_OFF.0 << rounds).min(BACK_OFF.1);
            // Between half of it and all of it, so that those who lost a server don't come back together.
            let wait =
                (most * 500 + desk.names.number() % (most * 500)).max(u64::from(after.unwrap_or(0)) * 1000);
            self.again = Some(desk.now.after(Duration::from_millis(wait)));
        }
        desk.tell(Event::NotRegistered(status));
    }

    /// Lets what is due take effect; `is_idle`: the phone has no call.
    pub(crate) fn expire(&mut self, is_idle: bool, desk: &mut Desk<'_>) {
        let is_due = |at: Option<Moment>| at.is_some_and(|at| at <= desk.now);
        if is_due(self.silent_at) {
            return self.failed(None, None, desk);
        }
        if is_due(self.home_at) {
            self.look_home(is_idle, desk);
        }
        if self.again.is_some_and(|at| at <= desk.now) {
            return self.begin(desk);
        }
        let (timing, mut send) = (&desk.settings.timing.transaction, Vec::new());
        let lost = self.transaction.expire(desk.now, timing, &mut send);
        let is_beside = self.is_looking_home;
        send.into_iter().for_each(|bytes| match is_beside {
            true => desk.out.emit(Out::Beside(0, bytes)),
            false => desk.out.emit(Out::Sip(bytes)),
        });
        if lost.is_some() {
            self.failed(None, None, desk);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        [self.transaction.deadline(), self.again, self.silent_at, self.home_at].into_iter().flatten().min()
    }
}

/// When to look whether the first server is back.
fn homesick(desk: &mut Desk<'_>) -> Moment {
    let half = u64::try_from(desk.settings.homesick.as_millis() / 2).unwrap_or(u64::MAX).max(1);
    desk.now.after(Duration::from_millis(half + desk.names.number() % half))
}

/// The time that the registrar gave our own contact, or all of them.
fn granted(response: &Message<&[u8]>, contact: &str) -> Option<u32> {
    let own = sip::NameAddr::parse(contact.as_bytes()).ok()?;
    let bound = response.contacts().flatten().find(|bound| bound.address.uri.equivalent(&own.uri));
    bound.and_then(|bound| bound.expires().ok().flatten()).or_else(|| response.expires().ok().flatten())
}
