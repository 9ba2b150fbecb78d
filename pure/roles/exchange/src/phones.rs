//! What a REGISTER does to a user's phones when it is more than a refresh (RFC 3261 10.3, steps 6 and 7).

use contract::TenantId;
use machine::Moment;
use sip::{Contact, Name, Status, Uri};

use crate::binding::{Binding, Body, Clock, Phone};
use crate::decide::{Decision, Reply};
use crate::registration::{Change, Order, Register};
use crate::view::View;

/// Of what a phone calls itself, no more than this is kept.
const LONGEST_AGENT: usize = 64;
/// A contact longer than this is none that a phone has.
const LONGEST_URI: usize = 512;
/// No more proxies than these stand between a phone and us.
const LONGEST_PATH: usize = 8;
/// How many contacts, known and remembered, an entry has place for.
const PLACES: usize = 200;

/// What a contact wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To be bound.
    Until(Moment),
    /// To be taken away.
    Gone,
}

/// Computes the phones after `register`; nothing is changed unless all of it can be.
pub(crate) fn change(
    register: &Register<'_, '_>,
    tenant: TenantId,
    user: &[u8],
    old: Option<Body<'_>>,
    view: &View,
) -> Result<Change, Decision> {
    let mut binding = old.and_then(|body| body.binding()).unwrap_or_default();
    binding.tenant = tenant;
    binding.user = String::from_utf8_lossy(user).into_owned();
    let changed = if register.request.message.contact_is_star() {
        remove_all(register, &mut binding)?
    } else {
        apply_each(register, &mut binding, view)?
    };
    Ok(if changed { Change::Replace(binding.write()) } else { Change::Nothing })
}

/// `Contact: *`, which goes with `Expires: 0` and nothing else.
fn remove_all(register: &Register<'_, '_>, binding: &mut Binding) -> Result<bool, Decision> {
    let message = register.request.message;
    if message.expires().ok().flatten() != Some(0) || message.values(Name::Contact).count() != 1 {
        return Err(Reply::new(Status::BAD_REQUEST).because("Contact * Goes With Expires 0").into());
    }
    let mut changed = false;
    for phone in &mut binding.phones {
        changed |= take_away(register, phone)?;
    }
    Ok(changed)
}

fn apply_each(register: &Register<'_, '_>, binding: &mut Binding, view: &View) -> Result<bool, Decision> {
    let mut changed = false;
    for value in register.request.message.values(Name::Contact) {
        let contact = Contact::parse(value).map_err(|error| bad(error.to_string()))?;
        if !contact.address.uri.is_sip() || contact.address.uri_bytes.len() > LONGEST_URI {
            return Err(bad("A Contact Must Be A SIP URI"));
        }
        let wish = register.wish(&contact)?;
        let known = binding.phones.iter_mut().find(|phone| is_same(phone, &contact));
        changed |= match (known, wish) {
            (Some(phone), Wish::Gone) => take_away(register, phone)?,
            (Some(phone), Wish::Until(until)) => match order(register, phone)? {
                Order::Same => false,
                Order::Newer => {
                    *phone = read(register, &contact, value, until, view)?;
                    true
                }
            },
            (None, Wish::Gone) => false,
            (None, Wish::Until(until)) => {
                let phone = read(register, &contact, value, until, view)?;
                binding.phones.push(phone);
                true
            }
        };
    }
    let live = binding.phones.iter().filter(|phone| phone.is_live(register.now)).count();
    if live > register.settings.phones || binding.phones.len() > PLACES {
        return Err(Reply::new(Status::FORBIDDEN).because("Too Many Contacts").into());
    }
    Ok(changed)
}

/// A phone that was taken away is remembered for a while.
fn take_away(register: &Register<'_, '_>, phone: &mut Phone) -> Result<bool, Decision> {
    if order(register, phone)? == Order::Same || phone.clock.gone {
        return Ok(false);
    }
    phone.clock = Clock {
        expires: register.now.after(register.settings.remembered),
        cseq: register.request.cseq.number,
        gone: true,
        ..phone.clock
    };
    phone.call_id = register.call_id;
    Ok(true)
}

fn order(register: &Register<'_, '_>, phone: &Phone) -> Result<Order, Decision> {
    if phone.call_id == register.call_id { register.order(phone.clock.cseq) } else { Ok(Order::Newer) }
}

/// The same URI (19.1.4), or the same device at another address (RFC 5626).
fn is_same(phone: &Phone, contact: &Contact<'_>) -> bool {
    let device = instance(contact);
    if !device.is_empty() && device == phone.instance {
        return true;
    }
    phone.uri.as_bytes() == contact.address.uri_bytes
        || Uri::parse(phone.uri.as_bytes()).is_ok_and(|uri| uri.equivalent(&contact.address.uri))
}

fn read(
    register: &Register<'_, '_>,
    contact: &Contact<'_>,
    value: &[u8],
    until: Moment,
    view: &View,
) -> Result<Phone, Decision> {
    let message = register.request.message;
    let via = message.vias().take(2).filter_map(Result::ok).last();
    let path: Vec<String> = message.values(Name::Path).map(text).collect();
    if path.len() > LONGEST_PATH {
        return Err(bad("Path Too Long"));
    }
    let agent = message.text(Name::UserAgent).unwrap_or_default();
    let clock = Clock {
        expires: until,
        print: register.print(value, view),
        cseq: register.request.cseq.number,
        gone: false,
    };
    Ok(Phone {
        clock,
        uri: text(contact.address.uri_bytes),
        path,
        q: contact.q().map_err(|error| bad(error.to_string()))?.unwrap_or(1000),
        transport: via.map(|via| via.transport.as_str().to_ascii_lowercase()).unwrap_or_default(),
        source: via.map(|via| source(&via)).unwrap_or_default(),
        user_agent: agent.chars().take(LONGEST_AGENT).collect(),
        call_id: register.call_id,
        instance: instance(contact),
    })
}

/// Where a phone's packets come from, as the edge saw it.
fn source(via: &sip::Via<'_>) -> String {
    let host = via.received().unwrap_or(via.host);
    let port = via.rport().flatten().unwrap_or_else(|| via.port_or_default());
    format!("{host}:{port}")
}

/// Which flow of which device it is. Without a reg-id the URI alone tells contacts apart (RFC 5626 6): a device
/// may have several.
fn instance(contact: &Contact<'_>) -> String {
    match (contact.address.param("+sip.instance"), contact.address.param("reg-id")) {
        (Some(instance), Some(flow)) => format!("{};{}", text(instance), text(flow)),
        _ => String::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bad(reason: impl Into<std::borrow::Cow<'static, str>>) -> Decision {
    Reply::new(Status::BAD_REQUEST).because(reason).into()
}
