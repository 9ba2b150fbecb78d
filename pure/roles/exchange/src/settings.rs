//! How an exchange thread behaves. The service reads it from the configuration.

use std::time::Duration;

use machine::{CellId, Failpoint, Owned};
use sip::digest::Algorithm;

use crate::cells::Cells;

/// How this exchange thread behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What it calls itself in the Server header of its answers; empty for nothing.
    pub server: String,
    /// The cell that it is of, as others call it.
    pub cell: CellId,
    /// Which other cells answered when it began.
    pub cells: Cells,
    /// Which shards it owns.
    pub owned: Owned,
    /// The registrar.
    pub registrar: Registrar,
    /// Who is who.
    pub authentication: Authentication,
    /// What is remembered of accounts.
    pub accounts: Accounts,
    /// Requests that wait for an answer about an account.
    pub waiting: Waiting,
    /// When it sheds what.
    pub overload: Overload,
    /// The calls.
    pub call: call::Settings,
    /// When calls in progress are moved to other media nodes by themselves.
    pub moving: paths::Settings,
    /// How many records go to the store at once.
    pub records_at_once: usize,
    /// Offices are told what happens in calls, as it happens: somebody may want to hear it.
    pub events: bool,
    /// Faults that drills plant: they strike when an INVITE is for their user.
    pub failpoints: Vec<Failpoint>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            server: "Strowger".into(),
            cell: CellId::HOME,
            cells: Cells::default(),
            owned: Owned::default(),
            registrar: Registrar::default(),
            authentication: Authentication::default(),
            accounts: Accounts::default(),
            waiting: Waiting::default(),
            overload: Overload::default(),
            call: call::Settings::default(),
            moving: paths::Settings::default(),
            records_at_once: 1024,
            events: false,
            failpoints: Vec::new(),
        }
    }
}

/// How contacts are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registrar {
    /// The shortest time that a phone may ask for (else 423).
    pub shortest: Duration,
    /// The time for a phone that asks for none.
    pub usual: Duration,
    /// The longest time; who asks for more gets this.
    pub longest: Duration,
    /// How many phones one user may have.
    pub phones: usize,
    /// How long a contact that was taken away is remembered, so that an overtaken REGISTER can't bring it back.
    pub remembered: Duration,
}

impl Default for Registrar {
    fn default() -> Self {
        Registrar {
            shortest: Duration::from_secs(60),
            usual: Duration::from_secs(3600),
            longest: Duration::from_secs(7200),
            phones: 10,
            remembered: Duration::from_secs(32),
        }
    }
}

/// How users prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// How long a nonce lives.
    pub nonce_lifetime: Duration,
    /// How many nonces are watched for replays.
    pub nonces: usize,
    /// What is offered, the best first. Old phones (baresip before 2.0, say) refuse a challenge that offers
    /// anything but MD5; what an account has a hash for is accepted, offered or not.
    pub offered: Vec<Algorithm>,
}

impl Default for Authentication {
    fn default() -> Self {
        Authentication {
            nonce_lifetime: Duration::from_secs(7200),
            nonces: 250_000,
            offered: vec![Algorithm::Md5],
        }
    }
}

/// How long and how much is remembered of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// How many users and numbers.
    pub room: usize,
    /// After how long they are asked about again, behind the back of whoever needs them.
    pub fresh: Duration,
    /// How many names that nobody has are remembered as such.
    pub absent_room: usize,
    /// For how long.
    pub absent: Duration,
}

impl Default for Accounts {
    fn default() -> Self {
        Accounts {
            room: 250_000,
            fresh: Duration::from_secs(300),
            absent_room: 4096,
            absent: Duration::from_secs(5),
        }
    }
}

/// How long and how many requests wait for an answer about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many wait at most; the next is refused.
    pub room: usize,
    /// How often the question is asked before they are refused.
    pub tries: u8,
    /// The same of owners of shards, who are asked at a steady pace: when one is lost, another follows within a second.
    pub tries_of_owners: u8,
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting { room: 2000, tries: 3, tries_of_owners: 10 }
    }
}

/// What is shed when messages wait too long before they are looked at. Below the first time nothing is; from
/// one time to the next, more and more of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overload {
    /// Nothing is shed before messages have waited too long for as long as this,
    pub after: Duration,
    /// or after none has for as long as this.
    pub over: Duration,
    /// Requests of those who did not register or prove anything yet.
    pub strangers: Duration,
    /// Refreshes of registrations.
    pub refreshes: Duration,
    /// New calls of registered phones.
    pub calls: Duration,
    /// Everything outside of a dialog.
    pub all: Duration,
    /// Who is shed may come back after at least this time, and at most twice of it.
    pub retry_after: Duration,
    /// What is dialed in an emergency, and never shed.
    pub emergency: Vec<String>,
}

impl Default for Overload {
    fn default() -> Self {
        Overload {
            after: Duration::from_millis(100),
            over: Duration::from_secs(1),
            strangers: Duration::from_millis(50),
            refreshes: Duration::from_millis(100),
            calls: Duration::from_millis(200),
            all: Duration::from_millis(400),
            retry_after: Duration::from_secs(5),
            emergency: vec!["112".into(), "911".into()],
        }
    }
}
