use std::fmt::Write as _;
use std::io::Write as _;

use contract::sharding;
use machine::{CellId, Kind, Shard, base32};
use sip::{Edit, Host, Message, Method, Name, NameAddr, ParseError, Via};

use crate::reply::Refusal;
use crate::{Edge, Flow};

/// The magic cookie of RFC 3261 branches.
pub(crate) const COOKIE: &str = "z9hG4bK";
const BRANCH: u8 = 0xE1;

/// What becomes of a message from the world. The bytes meant are in the caller's buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The buffer holds what the owner of the shard must get.
    ToOwner(Shard),
    /// The buffer holds an answer for the sender.
    Answer,
    /// Nothing more happens.
    Drop(Dropped),
}

/// Whose edges have a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Those of this cell.
    Ours(Flow),
    /// Those of another one.
    Elsewhere(CellId, Flow),
}

/// Why a message from the world went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dropped {
    /// It is no SIP message, or one that cannot be answered.
    Unreadable,
    /// A response that we never asked for.
    Stray,
    /// An ACK that belongs to nothing.
    LostAck,
}

impl Edge {
    /// Decides about one message that came by `flow`, and writes what goes on into `into` (cleared first).
    pub fn inbound(&self, flow: Flow, bytes: &[u8], into: &mut Vec<u8>) -> Inbound {
        into.clear();
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(_) => return Inbound::Drop(Dropped::Unreadable),
        };
        if message.is_response() {
            return match self.response_inward(&message, into) {
                Some(shard) => Inbound::ToOwner(shard),
                None => Inbound::Drop(Dropped::Stray),
            };
        }
        match self.request_inward(flow, &message, into) {
            Ok(shard) => Inbound::ToOwner(shard),
            Err(_) if message.method() == Some(Method::Ack) => Inbound::Drop(Dropped::LostAck),
            Err(refusal) => match refusal.tell(&message, into) {
                true => Inbound::Answer,
                false => Inbound::Drop(Dropped::Unreadable),
            },
        }
    }

    /// RFC 3261 16.6 without state: our Via, our Record-Route or Path, and the shard.
    ///
    /// Max-Forwards is neither looked at nor counted down here, as 16.3 and 16.6 want of a proxy: edge and exchange
    /// are one hop to the world, its last, since the exchange answers all that comes. What asks for that hop
    /// itself (OPTIONS, REGISTER, anything in a dialog) is served with `Max-Forwards: 0`, and the exchange refuses
    /// an INVITE that has no hop left, since a call goes on.
    fn request_inward(
        &self,
        flow: Flow,
        request: &Message<&[u8]>,
        into: &mut Vec<u8>,
    ) -> Result<Shard, Refusal> {
        let top = request.top_via()?;
        let shard = self.shard_of_request(request)?;
        insists(request)?;
        let received = received(&top, request, flow);
        let token = flow.token(&self.hash, self.mint.cell());
        let via = self.via(flow, &token, self.branch(request, &top)?);
        let way_back = self.way_back(flow, &token);
        let mut edit = Edit::new(request);
        if let Some(received) = &received {
            edit = edit.replace_first_value(Name::Via, received);
        }
        edit = edit.prepend(Name::Via, &via);
        for _ in 0..self.own_routes(request) {
            edit = edit.remove_first_value(Name::Route);
        }
        edit = match request.method() {
            Some(Method::Register) => edit.prepend(Name::Path, &way_back),
            Some(method) if wants_record_route(method) => edit.prepend(Name::RecordRoute, &way_back),
            _ => edit,
        };
        edit.write(into);
        Ok(shard)
    }

    /// RFC 3261 16.7 without state: our Via goes, and the branch beneath it says whose the response is.
    fn response_inward(&self, response: &Message<&[u8]>, into: &mut Vec<u8>) -> Option<Shard> {
        let ours = response.top_via().ok()?;
        self.flow_of_branch(ours.branch()?)?;
        let beneath = response.values(Name::Via).nth(1)?;
        let shard = self.shard_of_branch(Via::parse(beneath).ok()?.branch()?)?;
        Edit::new(response).remove_first_value(Name::Via).write(into);
        Some(shard)
    }

    /// The shard in a branch that an exchange minted.
    pub(crate) fn shard_of_branch(&self, branch: &str) -> Option<Shard> {
        let token = branch.strip_prefix(COOKIE)?;
        self.mint.read(Kind::Branch, token.as_bytes()).map(|token| token.shard)
    }

    /// Our Via: where responses find us, and in its branch where they go from here.
    pub(crate) fn via(&self, flow: Flow, token: &str, branch: u64) -> String {
        let mut text = String::with_capacity(96);
        if let Some(listener) = self.listener(&flow) {
            let _ =
                write!(text, "SIP/2.0/{} {};branch={COOKIE}", listener.transport.as_str(), listener.public);
        }
        text.push_str(&base32::encode(&branch.to_be_bytes()));
        text.push('.');
        text.push_str(token);
        text
    }

    /// The route by which `flow` is reached again.
    pub(crate) fn way_back(&self, flow: Flow, token: &str) -> String {
        let mut text = String::with_capacity(80);
        if let Some(listener) = self.listener(&flow) {
            let _ = write!(text, "<sip:{token}@{}", listener.public);
            if listener.transport != sip::Transport::Udp {
                let _ = write!(text, ";transport={}", listener.transport.as_str().to_ascii_lowercase());
            }
            text.push_str(";lr>");
        }
        text
    }

    /// The flow in a branch of ours.
    pub(crate) fn flow_of_branch(&self, branch: &str) -> Option<Way> {
        let (_, token) = branch.split_once('.')?;
        self.way(token.as_bytes())
    }

    /// The flow in a Route of ours.
    pub(crate) fn flow_of_route(&self, route: &NameAddr<'_>) -> Option<Way> {
        self.way(route.uri.user?)
    }

    fn way(&self, token: &[u8]) -> Option<Way> {
        let (cell, flow) = Flow::read(token, &self.hash)?;
        let is_ours = cell.is_home() || cell == self.mint.cell();
        Some(if is_ours { Way::Ours(flow) } else { Way::Elsewhere(cell, flow) })
    }

    /// A branch that is the same for each retransmission, and for the CANCEL and the ACK of an INVITE
    /// (RFC 3261 16.11).
    pub(crate) fn branch(&self, request: &Message<&[u8]>, top: &Via<'_>) -> Result<u64, ParseError> {
        let sent_by = request.values(Name::Via).next().unwrap_or_default();
        Ok(match top.branch() {
            Some(branch) if branch.starts_with(COOKIE) => {
                let tag = request.from()?.tag().unwrap_or_default();
                self.hash.sum64(BRANCH, &[branch.as_bytes(), request.call_id()?, tag.as_bytes()])
            }
            _ => {
                let number = request.cseq()?.number.to_be_bytes();
                let tag = request.from()?.tag().unwrap_or_default();
                let uri = request.request_uri_bytes();
                self.hash.sum64(BRANCH, &[sent_by, tag.as_bytes(), request.call_id()?, &number, uri])
            }
        })
    }

    /// How many Routes on top are ours: they have done their work.
    fn own_routes(&self, request: &Message<&[u8]>) -> usize {
        let ours =
            |value: &&[u8]| NameAddr::parse(value).is_ok_and(|route| self.flow_of_route(&route).is_some());
        request.values(Name::Route).take_while(ours).count()
    }

    /// Whose it is, without a look-up: an identifier of ours says so, else a keyed hash decides.
    fn shard_of_request(&self, request: &Message<&[u8]>) -> Result<Shard, ParseError> {
        let to = request.to()?;
        if let Some(token) = to.tag().and_then(|tag| self.mint.read(Kind::Tag, tag.as_bytes())) {
            return Ok(token.shard);
        }
        if request.method() == Some(Method::Register) {
            let tenant = match to.uri.host {
                Host::Name(name) => self.domains.tenant(&[name.as_bytes()]),
                address => self.domains.tenant(&[address.to_string().as_bytes()]),
            };
            let tenant = tenant.map(|tenant| tenant.id).unwrap_or_default();
            return Ok(sharding::binding_shard(&self.hash, tenant, to.uri.user.unwrap_or_default()));
        }
        let user = request.request_uri().ok().and_then(|uri| uri.user);
        if let Some(token) = user.and_then(|user| self.mint.read(Kind::Contact, user)) {
            return Ok(token.shard);
        }
        Ok(sharding::call_shard(&self.hash, request.call_id()?))
    }
}

/// In a dialog the newest Record-Route tells which way the phone is reached now (its connection may be
/// another than the one it called by).
fn wants_record_route(method: Method<'_>) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}

/// Nobody between the phone and the exchange has extensions. ACK and CANCEL can't be refused for any (RFC 3261
/// 8.2.2.3).
fn insists(request: &Message<&[u8]>) -> Result<(), Refusal> {
    if matches!(request.method(), Some(Method::Ack | Method::Cancel)) {
        return Ok(());
    }
    request.unsupported(Name::ProxyRequire, &[]).map_or(Ok(()), |tags| Err(Refusal::Unsupported(tags)))
}

/// The top Via with what RFC 3261 18.2.1 and RFC 3581 add to it, if they add anything. All else stays as it is,
/// byte by byte: whoever wrote it may compare.
fn received(top: &Via<'_>, request: &Message<&[u8]>, flow: Flow) -> Option<Vec<u8>> {
    let wants_port = top.rport() == Some(None);
    let named = top.host.address() == Some(flow.remote.ip());
    if named && !wants_port {
        return None;
    }
    let written = request.values(Name::Via).next()?;
    let mut text = Vec::with_capacity(written.len() + 48);
    for (at, part) in params(written).enumerate() {
        let name = part.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"rport") || name.eq_ignore_ascii_case(b"received") {
            continue;
        }
        if at > 0 {
            text.push(b';');
        }
        text.extend_from_slice(part);
    }
    let _ = write!(text, ";received={}", flow.remote.ip());
    if top.rport().is_some() {
        let _ = write!(text, ";rport={}", flow.remote.port());
    }
    Some(text)
}

/// What stands between the semicolons that are not within quotes.
fn params(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |&byte| {
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && !escaped && byte == b'\\';
        byte == b';' && !quoted
    })
}
