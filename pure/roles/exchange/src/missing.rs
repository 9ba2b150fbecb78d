//! Which bindings must be restored before something is decided: right after a start a crowd of them is kept that is
//! not in memory yet, and nobody should wait for all.

use contract::query::{Gauge, ListRegistrations};
use contract::registration::{Give, Locate, Reach, Take};
use contract::{Aor, Conversation, Envelope, Kind, decode, sharding};
use machine::{Key, Moment};
use sip::{Message, Method};

use crate::bus::verb;
use crate::destination::{self, Way};
use crate::exchange::Exchange;
use crate::{sanity, tenancy};

/// With this a REGISTER begins, and nothing else is worth a look.
const REGISTER: &[u8] = b"REGISTER ";

/// Which bindings are missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// None.
    Nothing,
    /// Those under this key of [`crate::kept::BINDINGS`].
    Binding(Key),
    /// All.
    Everything,
}

impl Exchange {
    /// What a message misses.
    pub fn missed_by_message(&self, bytes: &[u8]) -> Missed {
        let registers = || {
            let message = Message::parse(bytes).ok()?;
            let request = sanity::read(&message, Method::Register).ok()?;
            let home = tenancy::find(&request, &self.view).ok()?;
            Some(sharding::binding_key(self.view.mint.hash(), home.id, request.name()))
        };
        if bytes.starts_with(REGISTER) { self.missed(registers()) } else { Missed::Nothing }
    }

    /// What a question on the bus misses.
    pub fn missed_by_envelope(&self, envelope: &Envelope) -> Missed {
        if envelope.kind != Kind::Request {
            return Missed::Nothing;
        }
        match verb(&envelope.subject) {
            Some(verb) if verb == Locate::SUBJECT.verb => {
                let asked = decode::<Locate>(&envelope.body).ok();
                self.missed(asked.map(|asked| self.binding_key(&asked.aor)))
            }
            Some(verb) if verb == Give::SUBJECT.verb => {
                let asked = decode::<Give>(&envelope.body).ok();
                self.missed(asked.map(|asked| self.binding_key(&asked.aor)))
            }
            Some(verb) if verb == Take::SUBJECT.verb => {
                let asked = decode::<Take>(&envelope.body).ok();
                self.missed(asked.map(|asked| self.binding_key(&asked.aor)))
            }
            Some(verb) if verb == Reach::SUBJECT.verb => {
                let asked = decode::<Reach>(&envelope.body).ok();
                let aor = |Reach { tenant, name }| Aor { tenant, user: name };
                self.missed(asked.map(|asked| self.binding_key(&aor(asked))))
            }
            Some(verb) if [ListRegistrations::SUBJECT.verb, Gauge::SUBJECT.verb].contains(&verb) => {
                Missed::Everything
            }
            Some(_) | None => Missed::Nothing,
        }
    }

    /// What the call misses whose way is to be found next.
    pub fn missed_by_route(&self, now: Moment) -> Missed {
        let way = self.ready.front().map(|(_, wanted)| destination::route(wanted, &self.view, now));
        match way {
            Some(Way::Phones(aor)) => self.missed(Some(self.binding_key(&aor))),
            Some(Way::Found(_) | Way::Elsewhere(..) | Way::Ask(_)) | None => Missed::Nothing,
        }
    }

    fn missed(&self, key: Option<u128>) -> Missed {
        match key.filter(|&key| self.view.bindings.is_missed(key)) {
            Some(key) if self.owns(sharding::shard_of_key(key)) => Missed::Binding(Key(key)),
            Some(_) | None => Missed::Nothing,
        }
    }
}
