use std::net::SocketAddr;

use machine::{CellId, Shard};
use sip::{Edit, Message, Method, Name, Status, Transport, Via};

use crate::inbound::Way;
use crate::{Edge, Flow, reply};

/// What becomes of a message from an exchange. The bytes meant are in the caller's buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Outbound {
    /// The buffer goes out.
    Send {
        /// This way.
        flow: Flow,
        /// If the connection of `flow` is gone: one may be made to here.
        otherwise: Option<SocketAddr>,
    },
    /// The edges of another cell have its flow; the buffer holds it as the exchange said it.
    Elsewhere {
        /// Which cell.
        cell: CellId,
        /// The flow, as it is known there.
        flow: Flow,
    },
    /// It cannot go out; the buffer holds the answer for the exchange.
    Answer,
    /// It cannot go out, and nobody waits for an answer.
    Drop(Unsent),
}

/// Why a message of ours did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unsent {
    /// It is no SIP message.
    Unreadable,
    /// A response whose topmost Via is not ours.
    Stray,
    /// No listener fits the address.
    NoWay,
}

impl Edge {
    /// Decides about one message from an exchange, and writes what goes out into `into` (cleared first).
    pub fn outbound(&self, bytes: &[u8], into: &mut Vec<u8>) -> Outbound {
        into.clear();
        let Ok(message) = Message::parse(bytes) else {
            return Outbound::Drop(Unsent::Unreadable);
        };
        if let Some(Way::Elsewhere(cell, flow)) = self.routed(&message) {
            into.extend_from_slice(bytes);
            return Outbound::Elsewhere { cell, flow };
        }
        if message.is_response() {
            return self.response_outward(&message, into);
        }
        match self.request_outward(&message, into) {
            Some(sent) => sent,
            None => self.unreachable(&message, into),
        }
    }

    /// The answer that an exchange gets when the cell is out of reach whose edges have the flow of its request.
    pub fn unsent_elsewhere(&self, bytes: &[u8], into: &mut Vec<u8>) -> Outbound {
        into.clear();
        match Message::parse(bytes) {
            Ok(message) if message.is_request() => self.unreachable(&message, into),
            _ => Outbound::Drop(Unsent::NoWay),
        }
    }

    /// Whose edges have the flow that a message names: a request by its topmost Route, a response by its topmost Via.
    fn routed(&self, message: &Message<&[u8]>) -> Option<Way> {
        if message.is_response() {
            return self.flow_of_branch(message.top_via().ok()?.branch()?);
        }
        self.flow_of_route(&message.routes().next()?.ok()?)
    }

    /// The answer that an exchange gets when the connection of a flow is gone and no other can be made
    /// (RFC 5626 11.6). `wire` is the request as it was to go out.
    pub fn unsent(&self, wire: &[u8], into: &mut Vec<u8>) -> Outbound {
        let mut request = Vec::with_capacity(wire.len());
        match Message::parse(wire) {
            Ok(sent) if sent.is_request() => {
                Edit::new(&sent).remove_first_value(Name::Via).write(&mut request)
            }
            _ => return Outbound::Drop(Unsent::NoWay),
        }
        match Message::parse(&request[..]) {
            Ok(request) => self.unreachable(&request, into),
            Err(_) => Outbound::Drop(Unsent::Unreadable),
        }
    }

    /// Whose an answer of the edge's own is ([`Outbound::Answer`]).
    pub fn shard_of_answer(&self, answer: &[u8]) -> Option<Shard> {
        self.shard_of_branch(Message::parse(answer).ok()?.top_via().ok()?.branch()?)
    }

    fn unreachable(&self, request: &Message<&[u8]>, into: &mut Vec<u8>) -> Outbound {
        let answered = request.method() != Some(Method::Ack)
            && reply::refuse(request, Status::FLOW_FAILED, "Flow Failed", &[], into);
        if answered { Outbound::Answer } else { Outbound::Drop(Unsent::NoWay) }
    }

    fn request_outward(&self, request: &Message<&[u8]>, into: &mut Vec<u8>) -> Option<Outbound> {
        let routed = self.routed(request).and_then(ours);
        let named = self.named_in_uri(request);
        let flow = routed.or(named)?;
        let token = flow.token(&self.hash, self.mint.cell());
        let top = request.top_via().ok()?;
        let via = self.via(flow, &token, self.branch(request, &top).ok()?);
        let way_back = self.way_back(flow, &token);
        let mut edit = Edit::new(request);
        if routed.is_some() {
            edit = edit.remove_first_value(Name::Route);
        }
        edit = edit.prepend(Name::Via, &via);
        if matches!(request.method(), Some(Method::Invite | Method::Subscribe | Method::Refer)) {
            edit = edit.prepend(Name::RecordRoute, &way_back);
        }
        edit.write(into);
        Some(Outbound::Send { flow, otherwise: named.map(|flow| flow.remote) })
    }

    /// Where the Request-URI leads if it holds an address. Names need a resolver, which asks before.
    fn named_in_uri(&self, request: &Message<&[u8]>) -> Option<Flow> {
        let uri = request.request_uri().ok()?;
        let transport = match uri.param("transport") {
            Some(name) => Transport::named(std::str::from_utf8(name).ok()?),
            None => Transport::Udp,
        };
        let remote = SocketAddr::new(uri.host.address()?, uri.port.unwrap_or(5060));
        Some(Flow { listener: self.listener_towards(transport, remote)?, thread: 0, remote })
    }

    /// RFC 3261 18.2.2 and RFC 3581 4: our Via says by which flow the request came, the phone's how it wants
    /// its response. Its `maddr` is not followed: it was made for multicast, which we do not serve, and would let
    /// a stranger have our responses sent to anybody (they go to the address that the request came from).
    fn response_outward(&self, response: &Message<&[u8]>, into: &mut Vec<u8>) -> Outbound {
        let Some(flow) = self.routed(response).and_then(ours) else {
            return Outbound::Drop(Unsent::Stray);
        };
        let theirs = response.values(Name::Via).nth(1).and_then(|value| Via::parse(value).ok());
        let Some(theirs) = theirs else {
            return Outbound::Drop(Unsent::Stray);
        };
        Edit::new(response).remove_first_value(Name::Via).write(into);
        let default_port = if theirs.transport == Transport::Tls { 5061 } else { 5060 };
        let sent_by = SocketAddr::new(flow.remote.ip(), theirs.port.unwrap_or(default_port));
        if theirs.transport.is_reliable() {
            return Outbound::Send { flow, otherwise: Some(sent_by) };
        }
        let remote = if theirs.rport().is_some() { flow.remote } else { sent_by };
        Outbound::Send { flow: Flow { remote, ..flow }, otherwise: None }
    }
}

fn ours(way: Way) -> Option<Flow> {
    match way {
        Way::Ours(flow) => Some(flow),
        Way::Elsewhere(..) => None,
    }
}
