use std::net::{IpAddr, SocketAddr};

use machine::Kind;
use serde::{Deserialize, Serialize};
use sip::leg::{Identity, Leg, LegCommand, LegOut, Reception};
use sip::{Message, NameAddr, Transport, Via};

use crate::context::{Context, Namer};
use crate::{Call, LegNo};

/// A phone of the call: its leg, and where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Party {
    pub(crate) no: LegNo,
    /// The callee's contact; empty for the caller.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) contact: String,
    /// The host that its signalling comes from.
    #[serde(default, with = "machine::terse::maybe_address", skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<IpAddr>,
    /// Of which ports its INVITE told it, or an UPDATE that it took before it answered.
    #[serde(default, skip_serializing_if = "machine::terse::is_default")]
    pub(crate) told_of: u16,
    pub(crate) leg: Leg,
}

/// How a phone is reached: what our Via and Contact say, and whether the way loses anything.
struct Way {
    reliable: bool,
    sent_by: String,
    via_transport: String,
    contact: String,
}

fn way(transport: &str, leg: LegNo, namer: &Namer, cx: &Context<'_>) -> Way {
    let transport = Transport::named(transport);
    let served = cx.settings().contact_host(transport.as_param());
    let host = served.map_or("localhost", |at| at.host.as_str());
    let token = namer.name(Kind::Contact, leg, cx.mint());
    let contact = match served.map_or("udp", |at| at.transport.as_str()) {
        "udp" => format!("<sip:{token}@{host}>"),
        other => format!("<sip:{token}@{host};transport={other}>"),
    };
    Way {
        reliable: transport.is_reliable(),
        sent_by: host.to_owned(),
        via_transport: transport.as_str().to_owned(),
        contact,
    }
}

/// The Via of the phone itself: behind the edge's, if the INVITE came through one.
fn phones_via<'a>(invite: &'a Message<&[u8]>) -> Option<Via<'a>> {
    invite.vias().take(2).filter_map(Result::ok).last()
}

/// The host that an INVITE comes from.
pub(crate) fn source_of(invite: &Message<&[u8]>) -> Option<IpAddr> {
    phones_via(invite)?.response_target().0.address()
}

/// The host of a registered phone.
pub(crate) fn source_of_contact(to: &contract::registration::Contact) -> Option<IpAddr> {
    let bare = || to.source.parse::<IpAddr>().ok();
    to.source.parse::<SocketAddr>().ok().map(|source| source.ip()).or_else(bare)
}

/// How the caller's leg begins. The phone's own transport stands in the Via behind the edge's.
pub(crate) fn reception(invite: &Message<&[u8]>, namer: &Namer, cx: &Context<'_>) -> Reception {
    let way = way(phones_via(invite).map_or("UDP", |via| via.transport.as_str()), LegNo::CALLER, namer, cx);
    Reception {
        local_tag: namer.name(Kind::Tag, LegNo::CALLER, cx.mint()),
        contact: way.contact,
        reliable: way.reliable,
        sent_by: way.sent_by,
        via_transport: way.via_transport,
        ..Reception::default()
    }
}

/// How a callee's leg begins. The phone's own transport stands in the flow that the edge gave it as Path.
pub(crate) fn identity(
    to: &contract::registration::Contact,
    leg: LegNo,
    (local, remote): (String, String),
    namer: &Namer,
    cx: &Context<'_>,
) -> Identity {
    let path = to.path.first().map_or("", String::as_str);
    let way = way(&transport(path, &to.transport), leg, namer, cx);
    Identity {
        call_id: namer.name(Kind::CallId, leg, cx.mint()),
        local,
        local_tag: namer.name(Kind::Tag, leg, cx.mint()),
        remote,
        target: to.uri.clone(),
        routes: to.path.clone(),
        contact: way.contact,
        reliable: way.reliable,
        sent_by: way.sent_by,
        via_transport: way.via_transport,
        ..Identity::default()
    }
}

fn transport(route: &str, own: &str) -> String {
    let route = NameAddr::parse(route.as_bytes()).ok();
    // Without angle brackets, the parameters are the header's.
    let said = route.and_then(|route| route.uri.param("transport").or_else(|| route.param("transport")));
    let said = said.and_then(|said| std::str::from_utf8(said).ok());
    let default = if own.is_empty() { "udp" } else { own };
    said.unwrap_or(default).to_owned()
}

impl Call {
    /// Tells a leg what to do.
    pub(crate) fn command(&mut self, no: LegNo, command: LegCommand, cx: &mut Context<'_>) {
        let world = (cx.mint(), cx.settings());
        let Some(party) = self.parties.iter_mut().find(|party| party.no == no) else { return };
        let mut out = LegOut::default();
        self.namer.lend(world, |env| party.leg.command(cx.now, command, env, &mut out));
        cx.take(no, out);
    }

    pub(crate) fn leg(&self, no: LegNo) -> Option<&Leg> {
        self.parties.iter().find(|party| party.no == no).map(|party| &party.leg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_phone_tells_its_transport() {
        assert_eq!(transport("<sip:flow@edge;transport=tcp;lr>", "udp"), "tcp");
        assert_eq!(transport("sip:flow@edge;transport=ws;lr", ""), "ws");
        assert_eq!(transport("<sip:flow@edge;lr>", "tls"), "tls");
        assert_eq!(transport("", ""), "udp");
    }
}
