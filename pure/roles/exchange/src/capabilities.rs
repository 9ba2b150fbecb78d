//! What we can do, and what we cannot (RFC 3261 8.2.1, 8.2.2.3, 8.2.3, 11.2).

use sip::{Method, Name, Status};

use crate::decide::{Decision, Reply};
use crate::request::Request;

/// The methods that we serve.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, INFO";
/// The extensions that we know.
const SUPPORTED: &str = "timer, path";
const BODY: &str = "application/sdp";
/// Extensions that a request may insist on.
const KNOWN: [&str; 2] = ["timer", "path"];

/// Refuses what we cannot do: 405, 415, 420, 483. (489 is for those who know some events: we know none.)
pub(crate) fn check(request: &Request<'_>) -> Result<(), Decision> {
    match request.method {
        Method::Invite | Method::Register | Method::Options => {}
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Info
        | Method::Update
        | Method::Prack
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Publish
        | Method::Message
        | Method::Other(_) => {
            return Err(Reply::new(Status::METHOD_NOT_ALLOWED).with(Name::Allow, ALLOW).into());
        }
    }
    requirements(request)?;
    if request.method == Method::Invite {
        hops(request)?;
        body(request)?;
    }
    Ok(())
}

/// Answers OPTIONS: what we can do.
pub(crate) fn tell(request: &Request<'_>) -> Result<(), Decision> {
    if request.method == Method::Options { Err(options().into()) } else { Ok(()) }
}

fn options() -> Reply {
    Reply::new(Status::OK)
        .with(Name::Allow, ALLOW)
        .with(Name::Accept, BODY)
        .with(Name::AcceptEncoding, "identity")
        .with(Name::AcceptLanguage, "en")
        .with(Name::Supported, SUPPORTED)
}

fn requirements(request: &Request<'_>) -> Result<(), Decision> {
    match request.message.unsupported(Name::Require, &KNOWN) {
        None => Ok(()),
        Some(list) => Err(Reply::new(Status::BAD_EXTENSION).with(Name::Unsupported, list).into()),
    }
}

/// A call that went around in circles has no hops left.
fn hops(request: &Request<'_>) -> Result<(), Decision> {
    match request.message.max_forwards() {
        Ok(Some(0)) => Err(Status::TOO_MANY_HOPS.into()),
        Ok(_) => Ok(()),
        Err(error) => Err(Reply::new(Status::BAD_REQUEST).because(error.to_string()).into()),
    }
}

fn body(request: &Request<'_>) -> Result<(), Decision> {
    let encoding = request.message.raw(Name::ContentEncoding).unwrap_or(b"identity");
    if !encoding.eq_ignore_ascii_case(b"identity") {
        return Err(Reply::new(Status::UNSUPPORTED_MEDIA_TYPE).with(Name::AcceptEncoding, "identity").into());
    }
    if request.message.body().is_empty() {
        return Ok(());
    }
    let kind = request.message.raw(Name::ContentType).unwrap_or_default();
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(BODY.as_bytes()) {
        Ok(())
    } else {
        Err(Reply::new(Status::UNSUPPORTED_MEDIA_TYPE).with(Name::Accept, BODY).into())
    }
}
