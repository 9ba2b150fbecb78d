//! The registrar (RFC 3261 10.3, RFC 3327).

use contract::sharding;
use machine::{Key, Moment};
use sip::digest::Checked;
use sip::{Method, Name, Status};

use crate::authentication::{self, Proven};
use crate::binding::{Body, Clock};
use crate::decide::{Decision, Reply};
use crate::hashes;
use crate::phones::{self, Wish};
use crate::request::{Home, Request};
use crate::settings::Registrar;
use crate::view::View;

/// For how long who asks for it in words we can't read is bound, seconds.
const MALFORMED: u32 = 3600;

/// Contacts of a user come and go.
#[derive(Debug)]
pub(crate) struct Bind {
    /// Whose, as bindings know it.
    pub(crate) key: Key,
    /// Whose, as accounts know it.
    pub(crate) account: u128,
    pub(crate) change: Change,
    pub(crate) checked: Checked,
}

/// What a REGISTER changes. It changes all that it asks for, or nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: it only asks, or it was answered before.
    Nothing,
    /// One phone's time.
    Refresh {
        /// The phone's place.
        at: usize,
        /// Its new clock.
        clock: Clock,
    },
    /// Anything else: the new state of all phones; empty if none is left.
    Replace(Vec<u8>),
}

/// Under what the user's bindings are known. A REGISTER that came to the wrong thread is sent on to their
/// owner (an edge that does not know the tenants yet can't tell); others have no such place.
pub(crate) fn place(request: &Request<'_>, home: Home<'_>, view: &View) -> Result<Option<Key>, Decision> {
    if request.method != Method::Register {
        return Ok(None);
    }
    let key = sharding::binding_key(view.mint.hash(), home.id, request.name());
    let shard = sharding::shard_of_key(key);
    if view.settings.owned.owns(shard) { Ok(Some(Key(key))) } else { Err(Decision::Forward(shard)) }
}

/// Decides what a proven REGISTER changes.
pub(crate) fn bind(
    request: &Request<'_>,
    home: Home<'_>,
    key: Key,
    proven: Proven<'_, '_>,
    view: &View,
    now: Moment,
) -> Result<Decision, Decision> {
    let user = sharding::user_name(request.name());
    if user.is_empty() {
        return Err(Reply::new(Status::BAD_REQUEST).because("Whom To Register").into());
    }
    if user != sharding::user_name(proven.user) {
        return Err(Status::FORBIDDEN.into());
    }
    let register = Register {
        request,
        call_id: view.mint.hash().sum64(hashes::REGISTER_CALL_ID, &[request.call_id]),
        settings: &view.settings.registrar,
        now,
    };
    let old = view.bindings.get(key.0);
    let change = match register.refresh(old, view) {
        Some(change) => change?,
        None => phones::change(&register, home.id, &user, old, view)?,
    };
    if proven.again && !register.is_answered(&change, old) {
        return Err(authentication::replayed(request, home, view, now));
    }
    Ok(Decision::Bind(Box::new(Bind { key, account: proven.key, change, checked: proven.checked })))
}

/// A REGISTER, and what bounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register<'r, 'm> {
    pub(crate) request: &'r Request<'m>,
    /// Stands for its Call-ID.
    pub(crate) call_id: u64,
    pub(crate) settings: &'r Registrar,
    pub(crate) now: Moment,
}

/// How a REGISTER stands to what a contact knows of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is newer, or from elsewhere.
    Newer,
    /// It is the same one again: its answer was lost.
    Same,
}

impl Register<'_, '_> {
    /// The usual case: one contact, of which everything but the time is as it was. None if it is not that.
    fn refresh(&self, old: Option<Body<'_>>, view: &View) -> Option<Result<Change, Decision>> {
        let old = old?;
        let mut contacts = self.request.message.raw_all(Name::Contact);
        let (Some(contact), None) = (contacts.next(), contacts.next()) else { return None };
        let print = self.print(contact, view);
        let (at, clock) = old.clocks().enumerate().find(|(_, clock)| clock.print == print && !clock.gone)?;
        let contact = sip::Contact::parse(contact).ok()?;
        let expires = match self.wish(&contact) {
            Ok(Wish::Until(expires)) => expires,
            Ok(Wish::Gone) => return None,
            Err(refusal) => return Some(Err(refusal)),
        };
        let cseq = self.request.cseq.number;
        Some(self.order(clock.cseq).map(|order| match order {
            Order::Same => Change::Nothing,
            Order::Newer => Change::Refresh { at, clock: Clock { expires, cseq, ..clock } },
        }))
    }

    /// A hash of all that a REGISTER says of a contact but for its time (and of who says it).
    pub(crate) fn print(&self, contact: &[u8], view: &View) -> u64 {
        let message = self.request.message;
        let path = message.raw(Name::Path).unwrap_or_default();
        let agent = message.raw(Name::UserAgent).unwrap_or_default();
        view.mint.hash().sum64(hashes::CONTACT, &[contact, path, agent, self.request.call_id])
    }

    /// Step 7: within one Call-ID, CSeq rises.
    pub(crate) fn order(&self, last: u32) -> Result<Order, Decision> {
        match self.request.cseq.number.cmp(&last) {
            std::cmp::Ordering::Greater => Ok(Order::Newer),
            std::cmp::Ordering::Equal => Ok(Order::Same),
            std::cmp::Ordering::Less => {
                Err(Reply::new(Status::SERVER_INTERNAL_ERROR).because("CSeq Out Of Order").into())
            }
        }
    }

    /// Until when a contact wants to be bound: what it says itself counts most, then Expires. What is no number
    /// means an hour (RFC 3261 20.10, RFC 4475 3.1.2.4).
    pub(crate) fn wish(&self, contact: &sip::Contact<'_>) -> Result<Wish, Decision> {
        let said = match contact.expires().unwrap_or(Some(MALFORMED)) {
            Some(seconds) => Some(seconds),
            None => self.request.message.expires().unwrap_or(Some(MALFORMED)),
        };
        let wanted =
            said.map_or(self.settings.usual, |seconds| std::time::Duration::from_secs(seconds.into()));
        if wanted.is_zero() {
            return Ok(Wish::Gone);
        }
        if wanted < self.settings.shortest {
            let shortest = self.settings.shortest.as_secs().to_string();
            return Err(Reply::new(Status::INTERVAL_TOO_BRIEF).with(Name::MinExpires, shortest).into());
        }
        Ok(Wish::Until(self.now.after(wanted.min(self.settings.longest))))
    }

    /// Whether a REGISTER that changes nothing is one that was answered before (and so may have been proven
    /// with credentials that were used before).
    fn is_answered(&self, change: &Change, old: Option<Body<'_>>) -> bool {
        let asks_only = self.request.message.raw(Name::Contact).is_none();
        *change == Change::Nothing
            && !asks_only
            && old.is_some_and(|old| old.clocks().any(|clock| clock.cseq == self.request.cseq.number))
    }
}
