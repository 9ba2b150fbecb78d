//! Where a call leads: a user's phones, an app, or nowhere.

use call::{Caller, Route, Start, Tenant, Wanted};
use contract::account::{Destination, Found, LookUp};
use contract::{Aor, CallId, CellId, TenantId, sharding};
use machine::Moment;
use sip::Status;
use sip::digest::Checked;

use crate::accounts::{self, Known};
use crate::authentication::Proven;
use crate::decide::{Decision, Question, Reply};
use crate::hashes;
use crate::request::{Home, Request};
use crate::view::View;

/// A call begins.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) start: Start,
    /// Names the INVITE.
    pub(crate) invite: u64,
    /// Stands for the INVITE's branch.
    pub(crate) branch: u64,
    /// The caller, as accounts know it.
    pub(crate) account: u128,
    pub(crate) checked: Checked,
}

/// Begins the call that a proven caller wants. Where it leads, the call asks itself (see [`route`]).
pub(crate) fn connect(
    request: &Request<'_>,
    home: Home<'_>,
    proven: Proven<'_, '_>,
    now: Moment,
    view: &View,
) -> Result<Decision, Decision> {
    let Some(user) = proven.account.user() else { return Err(Status::FORBIDDEN.into()) };
    let dialed = request.dialed();
    if dialed.is_empty() {
        return Err(Reply::new(Status::ADDRESS_INCOMPLETE).because("Whom To Call").into());
    }
    let hash = view.mint.hash();
    let invite = view.calls.invite(request);
    // Unique for ever, even if a phone names its calls alike: that is why the time is part of it.
    let id = CallId(hash.sum64(hashes::CALL_ID, &[&invite.to_le_bytes(), &now.as_micros().to_le_bytes()]));
    let shard = sharding::call_shard(hash, request.call_id);
    let start = Start {
        id,
        shard,
        epoch: view.settings.owned.epoch(shard),
        tenant: Tenant { id: home.id, domains: home.tenant.domains.clone() },
        caller: Caller {
            user: user.name,
            display_name: user.display_name,
            number: user.number,
            direct_media: user.direct_media,
        },
        dialed,
    };
    let branch = view.calls.branch(request);
    let begin = Begin { start, invite, branch, account: proven.key, checked: proven.checked };
    Ok(Decision::Begin(Box::new(begin)))
}

/// What is known of a way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is found.
    Found(Route),
    /// It leads to this user's phones, wherever they are.
    Phones(Aor),
    /// Another cell knows where this name leads.
    Elsewhere(CellId, String),
    /// Something must be known first.
    Ask(Question),
}

/// Finds the way that a call wants.
pub(crate) fn route(wanted: &Wanted, view: &View, now: Moment) -> Way {
    let tenant = wanted.tenant;
    match look_up(tenant, &wanted.dialed, view, now) {
        Ok(Found::User(user)) => phones(tenant, user.name, user.blocked),
        Ok(Found::Elsewhere { cell }) => Way::Elsewhere(cell, wanted.dialed.clone()),
        Ok(found) => match accounts::number(found).map(|number| number.to) {
            Some(Destination::User { name }) => match look_up(tenant, &name, view, now) {
                Ok(Found::User(user)) => phones(tenant, user.name, user.blocked),
                Ok(Found::Elsewhere { cell }) => Way::Elsewhere(cell, name),
                Ok(Found::Number(_) | Found::Nobody | Found::Unknown) => nowhere(),
                Err(ask) => ask,
            },
            Some(Destination::App { name }) => Way::Found(Route::App { name }),
            Some(Destination::Unknown) => refuse(Status::NOT_IMPLEMENTED, "destination of a later release"),
            None => nowhere(),
        },
        Err(ask) => ask,
    }
}

fn look_up(tenant: TenantId, name: &str, view: &View, now: Moment) -> Result<Found, Way> {
    match view.accounts.find(view.accounts.key(tenant, name.as_bytes()), now) {
        Known::Account(account) => Ok(account.found()),
        Known::Nobody => Ok(Found::Nobody),
        Known::Unknown => Err(Way::Ask(Question::Account(LookUp { tenant, name: name.to_owned() }))),
    }
}

fn phones(tenant: TenantId, user: String, blocked: bool) -> Way {
    match blocked {
        true => refuse(Status::FORBIDDEN, "blocked"),
        false => Way::Phones(Aor { tenant, user }),
    }
}

fn nowhere() -> Way {
    refuse(Status::NOT_FOUND, "not found")
}

fn refuse(status: Status, cause: &str) -> Way {
    Way::Found(Route::Refuse { status, cause: cause.to_owned() })
}
