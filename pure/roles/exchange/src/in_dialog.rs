//! What belongs to a call goes to its call: our identifiers say to which (RFC 3261 12.2.2, 17.1.3, 17.2.3).

use contract::{CallId, sharding};
use machine::{Kind, Moment, Shard};
use sip::{Message, Method, NameAddr, Status};

use crate::cells;
use crate::decide::{Decision, Dropped, Part, Reply};
use crate::request::Request;
use crate::view::View;

const CALLER: Part = 0;

/// Brings a response to the leg that asked.
pub(crate) fn response(message: &Message<&[u8]>, view: &View) -> Decision {
    let ours = message.check().ok().and_then(|()| message.from().ok());
    match ours.and_then(|from| leg(&from, view)) {
        Some(Place::Here(call, part)) => Decision::Deliver(call, part),
        Some(Place::Gone | Place::There(_)) | None => Decision::Drop(Dropped::Stray),
    }
}

/// Brings a request that belongs to a call to its leg, and refuses what belongs to a call that is not there.
pub(crate) fn deliver(request: &Request<'_>, view: &View, now: Moment) -> Result<(), Decision> {
    if request.is_in_dialog() {
        return Err(match leg(&request.to, view) {
            Some(Place::Here(call, part)) => Decision::Deliver(call, part),
            Some(Place::There(shard)) => Decision::Forward(shard),
            Some(Place::Gone) | None => request.refuse(Status::CALL_DOES_NOT_EXIST),
        });
    }
    if let Some(shard) = elsewhere(request, view) {
        return Err(Decision::Forward(shard));
    }
    match request.method {
        Method::Invite => match view.calls.by_invite(view.calls.invite(request)) {
            Some(call) if call.branch == view.calls.branch(request) => {
                Err(Decision::Deliver(call.id, CALLER))
            }
            Some(_) => Err(Reply::new(Status::LOOP_DETECTED).because("Merged Request").into()),
            None => Ok(()),
        },
        Method::Cancel => match view.calls.by_invite(view.calls.invite(request)) {
            Some(call) if call.branch == view.calls.branch(request) => {
                Err(Decision::Deliver(call.id, CALLER))
            }
            Some(_) => Err(Status::CALL_DOES_NOT_EXIST.into()),
            None => Err(cells::cancel(request, view, now).unwrap_or(Status::CALL_DOES_NOT_EXIST.into())),
        },
        Method::Ack => Err(Decision::Drop(Dropped::LostAck)),
        Method::Bye | Method::Info | Method::Update | Method::Prack => {
            Err(Status::CALL_DOES_NOT_EXIST.into())
        }
        Method::Register
        | Method::Options
        | Method::Refer
        | Method::Notify
        | Method::Subscribe
        | Method::Message
        | Method::Publish
        | Method::Other(_) => Ok(()),
    }
}

/// The owner of the call that this begins or takes back, if that is another thread (an edge knows better, as a
/// rule).
fn elsewhere(request: &Request<'_>, view: &View) -> Option<Shard> {
    if view.settings.owned.is_all() || !matches!(request.method, Method::Invite | Method::Cancel) {
        return None;
    }
    let shard = sharding::call_shard(view.mint.hash(), request.call_id);
    (!view.settings.owned.owns(shard)).then_some(shard)
}

enum Place {
    Here(CallId, Part),
    Gone,
    There(Shard),
}

/// The leg that an address's tag names, if we minted it.
fn leg(address: &NameAddr<'_>, view: &View) -> Option<Place> {
    let token = view.mint.read(Kind::Tag, address.tag()?.as_bytes())?;
    let call = CallId(token.call);
    Some(match view.calls.has(call) {
        true => Place::Here(call, token.part),
        false if view.settings.owned.owns(token.shard) => Place::Gone,
        false => Place::There(token.shard),
    })
}
