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
const KNOWN: [&[u8]; 2] = [b"timer", b"path"];

/// Answers OPTIONS, and refuses what we cannot do: 405, 415, 420, 483, 489.
pub(crate) fn check(request: &Request<'_>) -> Result<(), Decision> {
    match request.method {
        Method::Invite | Method::Register => {}
        Method::Options => return Err(options().into()),
        Method::Subscribe | Method::Publish => return Err(Status::BAD_EVENT.into()),
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Info
        | Method::Update
        | Method::Prack
        | Method::Refer
        | Method::Notify
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

fn options() -> Reply {
    Reply::new(Status::OK)
        .with(Name::Allow, ALLOW)
        .with(Name::Accept, BODY)
        .with(Name::AcceptEncoding, "identity")
        .with(Name::AcceptLanguage, "en")
        .with(Name::Supported, SUPPORTED)
}

fn requirements(request: &Request<'_>) -> Result<(), Decision> {
    let known = |token: &[u8]| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(token));
    let unknown: Vec<_> = request.message.require().filter(|token| !known(token)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let list = String::from_utf8_lossy(&unknown.join(&b", "[..])).into_owned();
    Err(Reply::new(Status::BAD_EXTENSION).with(Name::Unsupported, list).into())
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
