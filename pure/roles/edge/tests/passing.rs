//! Messages pass the edge in both directions, and it remembers none of them.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use contract::account::{Tenant, Tenants};
use contract::domains::Domains;
use contract::{TenantId, sharding};
use machine::{CellId, KeyedHash, Kind, Mint, Secret, Shard, Token};
use sip::{Message, Name, Status, Transport, respond};
use strowger_edge::{Dropped, Edge, Flow, Inbound, Listener, Outbound, farewell};

const SECRET: [u8; 16] = [9; 16];

fn edge() -> Edge {
    let listener = |transport, port: u16| Listener {
        transport,
        local: ([127, 0, 0, 1], port).into(),
        public: format!("192.0.2.1:{port}"),
    };
    let mut edge =
        Edge::new(vec![listener(Transport::Udp, 5060), listener(Transport::Tcp, 5060)], Secret::new(SECRET));
    let tenant = Tenant { id: TenantId(7), domains: vec!["red.example".into()], ..Tenant::default() };
    edge.learn(Domains::new(Tenants { tenants: vec![tenant] }));
    edge
}

fn hash() -> KeyedHash {
    KeyedHash::new(Secret::new(SECRET))
}

fn mint(kind: Kind, shard: u64) -> String {
    Mint::new(Secret::new(SECRET)).write(Token { kind, shard: Shard::of(shard), call: 5, part: 1 })
}

fn phone(listener: u8) -> Flow {
    Flow { listener, thread: 0, remote: "198.51.100.4:41000".parse::<SocketAddr>().unwrap() }
}

fn request(method: &str, uri: &str, via: &str, to: &str) -> Vec<u8> {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: {via}\r\nFrom: <sip:alice@red.example>;tag=a1\r\nTo: {to}\r\n\
         Call-ID: c1@phone\r\nCSeq: 7 {method}\r\nMax-Forwards: 70\r\nX-Kept: as it is\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn a_request_behind_nat_and_its_response_go_the_same_way_back() {
    let edge = edge();
    let invite = request(
        "INVITE",
        "sip:bob@red.example",
        "SIP/2.0/UDP 10.0.0.9:5062;rport;branch=z9hG4bKx",
        "<sip:bob@red.example>",
    );
    let mut inward = Vec::new();
    assert_eq!(
        edge.inbound(phone(0), &invite, &mut inward),
        Inbound::ToOwner(sharding::call_shard(&hash(), b"c1@phone"))
    );
    let message = Message::parse(&inward[..]).unwrap();
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    assert_eq!(vias.len(), 2);
    assert_eq!(vias[1].rport(), Some(Some(41000)));
    assert_eq!(vias[1].branch(), Some("z9hG4bKx"));
    assert_eq!(message.other("X-Kept"), Some(&b"as it is"[..]));
    assert_eq!(message.record_routes().count(), 1);

    let mut response = Vec::new();
    respond(&message, Status::RINGING, None, Some("t"), &mut response).empty_body();
    let mut outward = Vec::new();
    assert_eq!(edge.outbound(&response, &mut outward), Outbound::Send { flow: phone(0), otherwise: None });
    assert_eq!(Message::parse(&outward[..]).unwrap().vias().count(), 1);
}

#[test]
fn without_rport_the_response_goes_to_the_port_of_sent_by() {
    let edge = edge();
    let options = request(
        "OPTIONS",
        "sip:red.example",
        "SIP/2.0/UDP 10.0.0.9:5062;branch=z9hG4bKx",
        "<sip:red.example>",
    );
    let (mut inward, mut response, mut outward) = (Vec::new(), Vec::new(), Vec::new());
    edge.inbound(phone(0), &options, &mut inward);
    respond(&Message::parse(&inward[..]).unwrap(), Status::OK, None, Some("t"), &mut response).empty_body();
    let to_sent_by = Flow { remote: "198.51.100.4:5062".parse().unwrap(), ..phone(0) };
    assert_eq!(edge.outbound(&response, &mut outward), Outbound::Send { flow: to_sent_by, otherwise: None });
}

#[test]
fn the_cancel_of_an_invite_and_its_retransmission_get_the_same_branch() {
    let edge = edge();
    let via = "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKsame";
    let branch = |method| {
        let mut inward = Vec::new();
        edge.inbound(
            phone(0),
            &request(method, "sip:bob@red.example", via, "<sip:bob@red.example>"),
            &mut inward,
        );
        let message = Message::parse(&inward[..]).unwrap();
        message.top_via().unwrap().branch().unwrap().to_owned()
    };
    assert_eq!(branch("INVITE"), branch("INVITE"));
    assert_eq!(branch("INVITE"), branch("CANCEL"));
}

#[test]
fn a_request_inside_a_dialog_finds_its_shard_by_our_tag_and_loses_our_route() {
    let edge = edge();
    let tag = mint(Kind::Tag, 1234);
    let bye = request(
        "BYE",
        "sip:x@192.0.2.1",
        "SIP/2.0/UDP 198.51.100.4:41000;branch=z9hG4bKb",
        &format!("<sip:bob@red.example>;tag={tag}"),
    );
    let route = format!("Route: <sip:{}@192.0.2.1:5060;lr>\r\nX-Kept", phone(0).token(&hash(), CellId::HOME));
    let bye = String::from_utf8(bye).unwrap().replace("X-Kept", &route).into_bytes();
    let mut inward = Vec::new();
    assert_eq!(edge.inbound(phone(0), &bye, &mut inward), Inbound::ToOwner(Shard::of(1234)));
    assert_eq!(Message::parse(&inward[..]).unwrap().routes().count(), 0);
}

#[test]
fn a_registration_goes_to_the_shard_of_its_user_and_leaves_a_path() {
    let edge = edge();
    let register = request(
        "REGISTER",
        "sip:red.example",
        "SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKr",
        "<sip:alice@RED.example>",
    );
    let mut inward = Vec::new();
    let shard = sharding::binding_shard(&hash(), TenantId(7), b"alice");
    assert_eq!(edge.inbound(phone(1), &register, &mut inward), Inbound::ToOwner(shard));
    let message = Message::parse(&inward[..]).unwrap();
    let path = message.paths().next().unwrap().unwrap();
    assert_eq!(path.uri.param("transport"), Some(&b"tcp"[..]));
}

#[test]
fn a_request_of_ours_goes_down_the_flow_of_its_route_and_the_response_comes_to_its_shard() {
    let edge = edge();
    let invite = request(
        "INVITE",
        "sip:bob@10.0.0.8:5070",
        &format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{}", mint(Kind::Branch, 77)),
        "<sip:bob@red.example>",
    );
    let route = format!("Route: <sip:{}@192.0.2.1:5060;lr>\r\nX-Kept", phone(0).token(&hash(), CellId::HOME));
    let invite = String::from_utf8(invite).unwrap().replace("X-Kept", &route).into_bytes();
    let (mut outward, mut answer, mut inward) = (Vec::new(), Vec::new(), Vec::new());
    let named = Some("10.0.0.8:5070".parse().unwrap());
    assert_eq!(edge.outbound(&invite, &mut outward), Outbound::Send { flow: phone(0), otherwise: named });
    let sent = Message::parse(&outward[..]).unwrap();
    assert_eq!(sent.routes().count(), 0);
    assert_eq!(sent.vias().count(), 2);

    respond(&sent, Status::OK, None, Some("b1"), &mut answer).empty_body();
    assert_eq!(edge.inbound(phone(0), &answer, &mut inward), Inbound::ToOwner(Shard::of(77)));
    let message = Message::parse(&inward[..]).unwrap();
    assert_eq!(message.vias().count(), 1);
    assert!(message.raw(Name::RecordRoute).is_some());
}

#[test]
fn a_lost_flow_is_answered_with_430_and_a_forged_one_is_not_believed() {
    let edge = edge();
    let invite = request(
        "BYE",
        "sip:bob@phone.invalid",
        &format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{}", mint(Kind::Branch, 77)),
        "<sip:bob@red.example>;tag=b",
    );
    let forged = String::from_utf8(invite.clone())
        .unwrap()
        .replace("X-Kept", "Route: <sip:0123456789abcdefghj@192.0.2.1:5060;lr>\r\nX-Kept");
    let mut answer = Vec::new();
    assert_eq!(edge.outbound(forged.as_bytes(), &mut answer), Outbound::Answer);
    assert_eq!(edge.shard_of_answer(&answer), Some(Shard::of(77)));
    let wire = String::from_utf8(invite).unwrap().replacen(
        "Via:",
        "Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKe.x\r\nVia:",
        1,
    );
    assert_eq!(edge.unsent(wire.as_bytes(), &mut answer), Outbound::Answer);
    let message = Message::parse(&answer[..]).unwrap();
    assert_eq!(message.status().unwrap().code(), 430);
    assert_eq!(message.vias().count(), 1);
}

#[test]
fn what_is_no_sip_or_answers_nothing_is_dropped() {
    let edge = edge();
    let mut into = Vec::new();
    for rubbish in [&b""[..], b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", b"INVITE"] {
        assert_eq!(edge.inbound(phone(0), rubbish, &mut into), Inbound::Drop(Dropped::Unreadable));
    }
    let stray = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKforged.0123456789abcdefghj\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(edge.inbound(phone(0), stray, &mut into), Inbound::Drop(Dropped::Stray));
}

#[test]
fn what_else_stands_in_a_via_stays_byte_by_byte() {
    let edge = edge();
    let via = "SIP/2.0/UDP 10.0.0.9:5062;RPORT;x=\"a;received=b\\\";rport\";y=\u{fc};branch=z9hG4bKx";
    let options = request("OPTIONS", "sip:red.example", via, "<sip:red.example>");
    // Not UTF-8: an old phone's Latin-1.
    let at = options.windows(2).position(|pair| pair == "\u{fc}".as_bytes()).unwrap();
    let options = [&options[..at], b"\xfc", &options[at + 2..]].concat();
    let mut inward = Vec::new();
    assert!(matches!(edge.inbound(phone(0), &options, &mut inward), Inbound::ToOwner(_)));
    let message = Message::parse(&inward[..]).unwrap();
    let theirs = message.values(Name::Via).nth(1).unwrap();
    let expected = b"SIP/2.0/UDP 10.0.0.9:5062;x=\"a;received=b\\\";rport\";y=\xfc;branch=z9hG4bKx\
        ;received=198.51.100.4;rport=41000";
    assert_eq!(theirs.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn extensions_of_proxies_are_refused_by_name() {
    let edge = edge();
    let refused = |method| {
        let request = request(
            method,
            "sip:bob@red.example",
            "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx",
            "<sip:bob@red.example>",
        );
        let request =
            String::from_utf8(request).unwrap().replace("X-Kept", "Proxy-Require: sec-agree, x\r\nX-Kept");
        let mut into = Vec::new();
        match edge.inbound(phone(0), request.as_bytes(), &mut into) {
            Inbound::Answer => Some(String::from_utf8(into).unwrap()),
            _ => None,
        }
    };
    let answer = refused("INVITE").unwrap();
    assert!(answer.starts_with("SIP/2.0 420 Bad Extension\r\n"), "{answer}");
    assert!(answer.contains("\r\nUnsupported: sec-agree, x\r\n"), "{answer}");
    assert!(refused("OPTIONS").is_some());
    assert_eq!((refused("ACK"), refused("CANCEL")), (None, None));
}

#[test]
fn edge_and_exchange_are_one_hop() {
    let edge = edge();
    let options =
        request("OPTIONS", "sip:red.example", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx", "<sip:red.example>");
    let last = String::from_utf8(options).unwrap().replace("Max-Forwards: 70", "Max-Forwards: 0");
    let mut inward = Vec::new();
    assert!(matches!(edge.inbound(phone(0), last.as_bytes(), &mut inward), Inbound::ToOwner(_)));
    assert_eq!(Message::parse(&inward[..]).unwrap().max_forwards().unwrap(), Some(0));
}

#[test]
fn a_stream_that_makes_no_sense_any_more_is_told_why() {
    let via = "SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKx";
    let told = |stream: &str| {
        let mut framer = sip::Framer::new(sip::Limits { headers: 1024, body: 1024 });
        let why = framer.next(stream.as_bytes()).unwrap_err();
        let mut into = Vec::new();
        let status = |bytes: &[u8]| Message::parse(bytes).unwrap().status().unwrap().code();
        farewell(stream.as_bytes(), &why, &mut into).then(|| status(&into))
    };
    let options = request("OPTIONS", "sip:red.example", via, "<sip:red.example>");
    let options = String::from_utf8(options).unwrap();
    assert_eq!(told(&options.replace("Content-Length: 0", "Content-Length: 5000")), Some(513));
    let endless = format!("{}X-Long: {}", options.replace("Content-Length: 0\r\n\r\n", ""), "x".repeat(2000));
    assert_eq!(told(&endless), Some(513), "its headers do not end");
    assert_eq!(told(&options.replace("Content-Length: 0\r\n", "")), Some(400));
    assert_eq!(told(&options.replace("Content-Length: 0", "Content-Length: many")), Some(400));
    assert_eq!(
        told(&options.replace("OPTIONS", "ACK").replace("Content-Length: 0", "Content-Length: 5000")),
        None
    );
    assert_eq!(told("GET / HTTP/1.1\r\nHost: red.example\r\n\r\n"), None);
    assert_eq!(told("SIP/2.0 200 OK\r\nContent-Length: 5000\r\n\r\n"), None);
}

#[test]
fn an_edge_of_another_cell_has_the_flow_and_everybody_finds_it() {
    let [north, south] = [1, 2].map(|cell| edge().of_cell(CellId(cell)));
    let register = request(
        "REGISTER",
        "sip:red.example",
        "SIP/2.0/UDP 10.0.0.9:5062;rport;branch=z9hG4bKx",
        "<sip:alice@red.example>",
    );
    let (mut inward, mut outward) = (Vec::new(), Vec::new());
    assert!(
        matches!(south.inbound(phone(0), &register, &mut inward), Inbound::ToOwner(shard) if shard.cell() == CellId::HOME)
    );
    let path = Message::parse(&inward[..]).unwrap().first_value(Name::Path).unwrap().to_vec();
    let path = String::from_utf8(path).unwrap();

    // The exchange in the north answers, and later calls.
    let mut answer = Vec::new();
    respond(&Message::parse(&inward[..]).unwrap(), Status::OK, None, Some("t"), &mut answer).empty_body();
    let mint = Mint::new(Secret::new(SECRET)).of_cell(CellId(1));
    let branch = mint.write(Token { kind: Kind::Branch, shard: Shard::of(17), call: 5, part: 1 });
    let invite = request(
        "INVITE",
        "sip:alice@10.0.0.9",
        &format!("SIP/2.0/UDP north;branch=z9hG4bK{branch}"),
        "<sip:alice@red.example>",
    );
    let routed = format!("Route: {path}\r\nX-Kept");
    let invite = String::from_utf8(invite).unwrap().replace("X-Kept", &routed).into_bytes();
    for message in [&answer, &invite] {
        let elsewhere = Outbound::Elsewhere { cell: CellId(2), flow: phone(0) };
        assert_eq!(north.outbound(message, &mut outward), elsewhere);
        assert_eq!(outward, *message, "as the exchange said it");
        let said = outward.clone();
        assert!(
            matches!(south.outbound(&said, &mut outward), Outbound::Send { flow, .. } if flow == phone(0))
        );
    }

    // What the phone says to it goes home.
    let mut ringing = Vec::new();
    respond(&Message::parse(&outward[..]).unwrap(), Status::RINGING, None, Some("t"), &mut ringing)
        .empty_body();
    let home = Inbound::ToOwner(Shard::of(17).of_cell(CellId(1)));
    assert_eq!(south.inbound(phone(0), &ringing, &mut inward), home);
    assert_eq!(north.unsent_elsewhere(&invite, &mut outward), Outbound::Answer);
    assert_eq!(north.shard_of_answer(&outward), Some(Shard::of(17)));
}

/// What an edge of a platform without cells writes, as release 0.1 wrote it.
#[test]
fn without_cells_a_flow_token_is_as_it_was() {
    let flow = Flow { listener: 3, thread: 5, remote: "198.51.100.4:41000".parse().unwrap() };
    assert_eq!(flow.token(&hash(), CellId::HOME), "0e2wccv40jg2hjjfst20");
    assert_eq!(Flow::read(b"0e2wccv40jg2hjjfst20", &hash()), Some((CellId::HOME, flow)));
}
