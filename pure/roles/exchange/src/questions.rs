//! What is asked on the bus. A question's number says what it is about, so the answer to one that was asked
//! before a death is still an answer to the same one asked after it.

use std::time::Duration;

use contract::account::{ListTenants, LookUp};
use contract::record::{CallRecord, Keep};
use contract::registration::{Locate, Reach};
use contract::{Aor, CallId, CellId, Conversation, Envelope, sharding};
use machine::KeyedHash;

use crate::cells::Reaching;
use crate::hashes;
use crate::keyed::KeyedMap;

/// Asked again so late at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a question of the exchange itself is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum About {
    /// Which tenants are there?
    Tenants,
    /// Who is this?
    Account(LookUp),
    /// Where are this user's phones, for this route of this call?
    Phones { call: CallId, serial: u32, aor: Aor },
    /// Where does this lead, in another cell?
    Reach(Box<Reaching>),
    /// Keep these records.
    Records(Vec<CallRecord>),
}

/// What a question that a call asked is about. The call itself asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Anchor,
    Release,
    Reserve,
    Settle,
    App,
    Leave,
}

/// An open question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Open {
    /// In doubt: what it is about has changed since it was asked, so its answer may be of before.
    Own {
        about: About,
        tries: u8,
        in_doubt: bool,
    },
    Calls {
        call: CallId,
        topic: Topic,
        serial: u32,
    },
}

impl Open {
    /// Which call wants to know.
    pub(crate) fn call(&self) -> Option<CallId> {
        match self {
            Open::Calls { call, .. } | Open::Own { about: About::Phones { call, .. }, .. } => Some(*call),
            Open::Own { about: About::Reach(reaching), .. } => Some(reaching.call),
            Open::Own { about: About::Tenants | About::Account(_) | About::Records(_), .. } => None,
        }
    }
}

/// The open questions.
#[derive(Debug)]
pub(crate) struct Questions {
    hash: KeyedHash,
    open: KeyedMap<u64, Open>,
}

impl Questions {
    /// None open.
    pub(crate) fn new(hash: KeyedHash) -> Self {
        Questions { hash, open: KeyedMap::default() }
    }

    /// The number of a question of the exchange.
    pub(crate) fn id(&self, about: &About) -> u64 {
        let sum = |parts: &[&[u8]]| self.hash.sum64(hashes::QUESTION, parts);
        match about {
            About::Tenants => sum(&[b"tenants"]),
            About::Account(LookUp { tenant, name }) => {
                sum(&[b"account", &tenant.0.to_le_bytes(), name.as_bytes()])
            }
            About::Phones { call, serial, .. } => {
                sum(&[b"phones", &call.0.to_le_bytes(), &serial.to_le_bytes()])
            }
            About::Reach(it) => {
                let parts = [&it.call.0.to_le_bytes()[..], &it.wanted.serial.to_le_bytes()];
                sum(&[b"reach", parts[0], parts[1], &[it.cell.0, it.wanted.cells], it.name.as_bytes()])
            }
            About::Records(_) => sum(&[b"records"]),
        }
    }

    /// The number of a call's question.
    pub(crate) fn call_id(&self, call: CallId, topic: Topic, serial: u32) -> u64 {
        let parts: [&[u8]; 4] = [b"call", &call.0.to_le_bytes(), &[topic as u8], &serial.to_le_bytes()];
        self.hash.sum64(hashes::QUESTION, &parts)
    }

    /// Opens a question of the exchange; none if it is open already.
    pub(crate) fn open(&mut self, about: About) -> Option<u64> {
        let id = self.id(&about);
        if self.open.contains_key(&id) {
            return None;
        }
        self.open.insert(id, Open::Own { about, tries: 0, in_doubt: false });
        Some(id)
    }

    /// Opens a call's question, maybe again.
    pub(crate) fn open_for_call(&mut self, call: CallId, topic: Topic, serial: u32) -> u64 {
        let id = self.call_id(call, topic, serial);
        self.open.insert(id, Open::Calls { call, topic, serial });
        id
    }

    /// The envelope of a question of the exchange, and when to ask again.
    pub(crate) fn ask(&mut self, id: u64) -> Option<(Envelope, Duration, u8)> {
        let Some(Open::Own { about, tries, .. }) = self.open.get_mut(&id) else { return None };
        *tries = tries.saturating_add(1);
        let (envelope, within) = match about {
            About::Tenants => (Envelope::request(id, None, &ListTenants {}), ListTenants::WITHIN),
            About::Account(look_up) => (Envelope::request(id, None, look_up), LookUp::WITHIN),
            About::Phones { aor, .. } => {
                let shard = sharding::binding_shard(&self.hash, aor.tenant, aor.user.as_bytes());
                (Envelope::request(id, Some(shard), &Locate { aor: aor.clone() }), Locate::WITHIN)
            }
            About::Reach(reaching) => (reaching.envelope(id, &self.hash), Reach::WITHIN),
            About::Records(records) => {
                (Envelope::request(id, None, &Keep { records: records.clone() }), Keep::WITHIN)
            }
        };
        // Owners come and go within a second, and nobody else is burdened by such a question.
        let is_steady = matches!(about, About::Phones { .. } | About::Reach(_));
        let factor = if is_steady { 1 } else { 1 << u32::from(*tries - 1).min(8) };
        let pause = within.saturating_mul(factor).min(LONGEST_PAUSE.max(within));
        Some((envelope, pause, *tries))
    }

    /// What this question is about has changed: if it is open, its next answer is not to be believed.
    pub(crate) fn doubt(&mut self, about: &About) {
        if let Some(Open::Own { in_doubt, .. }) = self.open.get_mut(&self.id(about)) {
            *in_doubt = true;
        }
    }

    /// The same of all that is asked about accounts.
    pub(crate) fn doubt_accounts(&mut self) {
        for open in self.open.values_mut() {
            if let Open::Own { about: About::Account(_), in_doubt, .. } = open {
                *in_doubt = true;
            }
        }
    }

    /// Whether the answer that came may be of before a change; the next one is believed.
    pub(crate) fn was_in_doubt(&mut self, id: u64) -> bool {
        match self.open.get_mut(&id) {
            Some(Open::Own { in_doubt, .. }) => std::mem::take(in_doubt),
            Some(Open::Calls { .. }) | None => false,
        }
    }

    /// Questions to owners of shards, which are others by now: they are asked as if for the first time.
    pub(crate) fn of_owners(&mut self) -> Vec<u64> {
        let mut ids = Vec::new();
        for (&id, open) in &mut self.open {
            if let Open::Own { about: About::Phones { .. }, tries, .. } = open {
                *tries = 0;
                ids.push(id);
            }
        }
        ids
    }

    /// Questions to cells of which `is_meant` says so.
    pub(crate) fn of_cells(&self, is_meant: impl Fn(CellId) -> bool) -> Vec<(u64, Reaching)> {
        let reaching = self.open.iter().filter_map(|(&id, open)| match open {
            Open::Own { about: About::Reach(it), .. } if is_meant(it.cell) => Some((id, (**it).clone())),
            Open::Own { .. } | Open::Calls { .. } => None,
        });
        reaching.collect()
    }

    /// Looks at an open question.
    pub(crate) fn get(&self, id: u64) -> Option<&Open> {
        self.open.get(&id)
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Closes a question.
    pub(crate) fn close(&mut self, id: u64) -> Option<Open> {
        self.open.remove(&id)
    }
}
