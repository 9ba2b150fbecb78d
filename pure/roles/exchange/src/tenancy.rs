//! Whose a request is: two tenants with the same extension never meet.

use sip::{Method, Status};

use crate::decide::{Decision, Question, Reply};
use crate::request::{Home, HostText, Request};
use crate::view::View;

/// The tenant that a request belongs to. A REGISTER's is that of its To; any other's that of the domain it is
/// for, and nobody calls from one tenant into another.
pub(crate) fn find<'v>(request: &Request<'_>, view: &'v View) -> Result<Home<'v>, Decision> {
    let Some(domains) = &view.domains else { return Err(Decision::Ask(Question::Tenants)) };
    let to = HostText::from(if request.method == Method::Register {
        request.to.uri.host
    } else {
        request.uri.host
    });
    let found = if request.method == Method::Register {
        domains.tenant(&[to.as_bytes()])
    } else {
        let from = HostText::from(request.from.uri.host);
        if let (Some(callee), Some(caller)) = (domains.owner(to.as_bytes()), domains.owner(from.as_bytes()))
            && callee.id != caller.id
        {
            return Err(Reply::new(Status::FORBIDDEN).because("Another Domain").into());
        }
        domains.tenant(&[to.as_bytes(), from.as_bytes()])
    };
    if found.is_none() && view.domains_in_doubt {
        return Err(Decision::Ask(Question::Tenants));
    }
    found.map(Home::from).ok_or_else(|| Reply::new(Status::NOT_FOUND).because("Unknown Domain").into())
}
