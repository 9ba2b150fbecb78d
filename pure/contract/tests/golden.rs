//! The bytes of each release are kept: what an older member said is still understood.
//!
//! `golden/RELEASE.txt` has a line for each message: its name, and its bytes in hexadecimal. A release's file never
//! changes once it is out. While a release is being made, its file is written anew by
//! `GOLDEN=write cargo test -p strowger-contract`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use contract::account::{Changed, Destination, Found, ListTenants, LookUp, Number, Tenant, Tenants, User};
use contract::app::{Event, Happened, Instruction, Instructions};
use contract::billing::{Reserve, Reserved, Settle, Settled};
use contract::cluster::{Beyond, Cell, Node, Owner, View};
use contract::event::{CallEvent, What};
use contract::media::{
    Anchor, Anchored, Happening, LegPort, LegQuality, LegWish, Noticed, Payload, Release, Released, Say,
    Sound,
};
use contract::moving::{Move, MoveCall, Moved, Reason};
use contract::paths::{Conditions, KnownConditions, Path};
use contract::query::{
    CallView, Calls, Gauges, HangUp, HungUp, Ladder, ListCalls, ListRegistrations, Registration,
    Registrations, Rung, ShowLadder,
};
use contract::record::{CallRecord, Keep, Kept, Outcome};
use contract::registration::{Contact, Give, Given, Locate, Located, Reach, Reached, Take, Taken};
use contract::{Aor, CallId, CellId, Envelope, Money, NodeId, TenantId};
use machine::{Epoch, Moment, Shard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use strowger_contract as contract;

/// The release being made, and all that went before it.
const RELEASES: [(&str, &str); 1] = [("0.1", include_str!("golden/0.1.txt"))];

const CALL: CallId = CallId(0x0123_4567_89ab_cdef);
const BRAND: TenantId = TenantId(7);
const NOW: Moment = Moment::from_micros(1_800_000_000_000_001);

/// What is to become of the bytes of each message.
trait Reader {
    fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: T);
}

/// Writes the file of this release.
struct Writing(String);

impl Reader for Writing {
    fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: T) {
        let hex: String = contract::encode(&value).iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.0, "{name} {hex}").unwrap();
    }
}

/// Reads what a release wrote.
struct Reading {
    release: &'static str,
    lines: BTreeMap<&'static str, &'static str>,
}

impl Reader for Reading {
    fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: T) {
        // A later release may have learned to say more.
        let Some(hex) = self.lines.remove(name) else { return };
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let read: T =
            contract::decode(&bytes).unwrap_or_else(|error| panic!("{name} of {}: {error}", self.release));
        assert_eq!(read, value, "{name} of {}", self.release);
    }
}

#[test]
fn what_any_release_wrote_is_understood() {
    for (release, text) in RELEASES {
        let lines = text.lines().filter_map(|line| line.split_once(' ')).collect();
        let mut reading = Reading { release, lines };
        messages(&mut reading);
        assert!(reading.lines.is_empty(), "{release} has messages unknown today: {:?}", reading.lines.keys());
    }
}

#[test]
fn this_release_writes_what_its_file_says() {
    let (release, expected) = RELEASES[RELEASES.len() - 1];
    let mut writing = Writing(String::new());
    messages(&mut writing);
    if std::env::var("GOLDEN").is_ok_and(|wish| wish == "write") {
        std::fs::write(format!("{}/tests/golden/{release}.txt", env!("CARGO_MANIFEST_DIR")), &writing.0)
            .unwrap();
        return;
    }
    for (now, then) in writing.0.lines().zip(expected.lines()) {
        assert_eq!(
            now, then,
            "release {release} writes something else than its file says; see the top of this test"
        );
    }
    assert_eq!(writing.0.lines().count(), expected.lines().count(), "messages of release {release}");
}

fn messages(to: &mut impl Reader) {
    envelopes(to);
    accounts(to);
    apps(to);
    billing(to);
    media(to);
    queries(to);
    records(to);
}

fn envelopes(to: &mut impl Reader) {
    let locate = Locate { aor: aor() };
    to.message("envelope.request", Envelope::request(5, Some(Shard::of(17)), &locate));
    to.message("envelope.answer", Envelope::answer::<Locate>(5, &Located::default()));
    let changed = Changed { tenant: BRAND, name: None };
    to.message("envelope.notice", Envelope::notice(None, &changed));
    to.message("registration.locate", locate);
    to.message("registration.located", Located { contacts: vec![contact()], elsewhere: None });
    cells(to);
}

fn cells(to: &mut impl Reader) {
    let [red, blue] = [CellId(1), CellId(2)];
    to.message("registration.located_elsewhere", Located { contacts: Vec::new(), elsewhere: Some(blue) });
    to.message("account.found.elsewhere", Found::Elsewhere { cell: blue });
    to.message("registration.reach", Reach { tenant: BRAND, name: "1001".into() });
    let reached = [
        ("registration.reached", Reached::User { name: "1001".into(), contacts: vec![contact()] }),
        ("registration.reached_number", Reached::Leads { name: "1001".into() }),
        ("registration.reached_app", Reached::App { name: "echo".into() }),
        ("registration.reached_elsewhere", Reached::Elsewhere { cell: red }),
        ("registration.reached_nobody", Reached::Refused { status: 404, cause: "not found".into() }),
    ];
    for (name, reached) in reached {
        to.message(name, reached);
    }
    to.message("registration.give", Give { aor: aor(), away: None });
    to.message("registration.give_away", Give { aor: aor(), away: Some(blue) });
    to.message("registration.given", Given { bindings: vec![1, 2, 3] });
    to.message("registration.take", Take { aor: aor(), bindings: vec![1, 2, 3] });
    to.message("registration.taken", Taken { understood: true, contacts: 2 });
    to.message("cluster.view", view());
    let cell = Cell {
        number: blue,
        name: "blue".into(),
        seats: vec![(NodeId(9), ([192, 0, 2, 9], 7000).into())],
        offices: vec!["http://192.0.2.9:8080".into()],
        stamp: 5,
    };
    let view = View { cell: red, cells: vec![cell], ..view() };
    to.message("cluster.view_of_a_cell", view.clone());
    to.message("cluster.beyond", Beyond { cell: red, reachable: true, view: Some(view) });
    to.message("cluster.out_of_reach", Beyond { cell: blue, reachable: false, view: None });
}

fn view() -> View {
    let node = Node {
        node: NodeId(3),
        host: "h3".into(),
        roles: vec![contract::Role::Edge, contract::Role::Exchange],
        inside: vec![([192, 0, 2, 3], 7100).into()],
        addresses: vec![[192, 0, 2, 3].into()],
        floating: vec![[192, 0, 2, 33].into()],
        probed: None,
        draining: false,
        spare: false,
        life: 0,
        since: 2,
    };
    let owner = Owner { node: Some(NodeId(3)), epoch: Epoch(1), ..Owner::default() };
    View {
        version: 7,
        me: NodeId(3),
        nodes: vec![node],
        owners: vec![owner, Owner::default()],
        holders: vec![([192, 0, 2, 3].into(), NodeId(3))],
        ..View::default()
    }
}

fn accounts(to: &mut impl Reader) {
    let tenant =
        Tenant { id: BRAND, name: "red".into(), domains: vec!["red.example".into()], fallback: true };
    to.message("account.list_tenants", ListTenants {});
    to.message("account.tenants", Tenants { tenants: vec![tenant] });
    to.message("account.look_up", LookUp { tenant: BRAND, name: "1001".into() });
    let user = User {
        tenant: BRAND,
        name: "1001".into(),
        realm: "red.example".into(),
        ha1_md5: "ab".into(),
        ha1_sha256: "cd".into(),
        number: Some("4930123".into()),
        display_name: "Rita".into(),
        blocked: true,
        direct_media: true,
    };
    to.message("account.found.user", Found::User(user));
    let number = |to| Number { tenant: BRAND, number: "99".into(), to };
    let leads = [
        ("account.found.number_of_user", Destination::User { name: "1001".into() }),
        ("account.found.number_of_app", Destination::App { name: "echo".into() }),
    ];
    for (name, destination) in leads {
        to.message(name, Found::Number(number(destination)));
    }
    to.message("account.found.nobody", Found::Nobody);
    to.message("account.changed", Changed { tenant: BRAND, name: Some("1001".into()) });
}

fn apps(to: &mut impl Reader) {
    let events = [
        ("app.offered", Event::Offered { caller: "1001".into(), dialed: "99".into() }),
        ("app.answered", Event::Answered),
        ("app.digit", Event::Digit { digit: '#' }),
        ("app.played", Event::Played),
    ];
    for (name, event) in events {
        let position = vec![1, 2, 3];
        let happened = Happened { call: CALL, tenant: BRAND, app: "echo".into(), serial: 2, position, event };
        to.message(name, happened);
    }
    let instructions = vec![
        Instruction::Answer,
        Instruction::Play { sounds: sounds() },
        Instruction::Refuse { status: 486 },
        Instruction::HangUp,
    ];
    to.message("app.instructions", Instructions { position: vec![4], instructions });
}

fn billing(to: &mut impl Reader) {
    let (tenant, account, dialed) = (BRAND, "1001".to_owned(), "1002".to_owned());
    let reserve = Reserve {
        call: CALL,
        tenant,
        account: account.clone(),
        dialed: dialed.clone(),
        serial: 2,
        seconds: 60,
    };
    to.message("billing.reserve", reserve);
    to.message("billing.granted", Reserved::Granted { seconds: 60, amount: money(10_000) });
    to.message("billing.refused", Reserved::Refused { reason: "no".into() });
    to.message("billing.settle", Settle { call: CALL, tenant, account, dialed, talked_ms: 9_000, serial: 2 });
    let settled = Settled { reserved: money(20_000), charged: money(1_500), released: money(18_500) };
    to.message("billing.settled", settled);
}

fn media(to: &mut impl Reader) {
    let wish = LegWish {
        leg: 1,
        ipv6: true,
        remote_rtp: Some("192.0.2.7:30000".parse().unwrap()),
        remote_rtcp: Some("[2001:db8::1]:30001".parse().unwrap()),
        signalling: Some("192.0.2.7".parse().unwrap()),
        rtcp_mux: true,
        peer: Some(0),
        held: true,
        payloads: vec![Payload { number: 101, name: "telephone-event".into(), clock: 8000 }],
        hear_digits: true,
        say: Some(Say { serial: 3, sounds: sounds() }),
    };
    let anchor = Anchor {
        call: CALL,
        shard: Shard::of(17),
        epoch: Epoch(2),
        version: 4,
        legs: vec![wish],
        inactivity_ms: 60_000,
    };
    to.message("media.anchor", anchor);
    let address = |port| ([192, 0, 2, 1], port).into();
    let legs = vec![LegPort { leg: 1, rtp: address(40_000), rtcp: address(40_001) }];
    to.message("media.ready", Anchored::Ready { node: NodeId(3), legs });
    to.message("media.full", Anchored::Full { retry_ms: 500 });
    to.message("media.stale", Anchored::Stale);
    to.message("media.release", Release { call: CALL, epoch: Epoch(2), version: 0 });
    to.message("media.leave", Release { call: CALL, epoch: Epoch(2), version: 4 });
    to.message("media.released", Released { quality: vec![quality()] });
    let happenings = [
        ("media.inactive", Happening::Inactive),
        ("media.idle", Happening::Idle),
        ("media.digit", Happening::Digit { digit: '5', serial: 1 }),
        ("media.said", Happening::Said { serial: 3 }),
    ];
    for (name, what) in happenings {
        to.message(name, Noticed { call: CALL, leg: 1, what, node: NodeId(0) });
    }
    let silent = Noticed { call: CALL, leg: 1, what: Happening::Inactive, node: NodeId(3) };
    to.message("media.inactive_on_node", silent);
    to.message("moving.move_call", MoveCall { call: CALL, to: NodeId(3) });
    let path = Path {
        to: NodeId(2),
        lost_there: 0.25,
        lost_back: 0.5,
        delay_us: 80_000,
        jitter_us: 20_000,
        probes: 50,
    };
    let conditions =
        Conditions { node: NodeId(1), draining: true, ports: 100, lent: 7, cpu: 0.125, paths: vec![path] };
    to.message("paths.conditions", conditions.clone());
    to.message("paths.known", KnownConditions { nodes: vec![conditions] });
    to.message("moving.event", moved_event());
    let came = [
        ("moving.accepted", Moved::Accepted),
        ("moving.not_found", Moved::NotFound),
        ("moving.no_such_node", Moved::NoSuchNode),
        ("moving.direct", Moved::Direct),
    ];
    for (name, moved) in came {
        to.message(name, moved);
    }
}

fn queries(to: &mut impl Reader) {
    to.message("query.list_calls", ListCalls { tenant: Some(BRAND), after: Some(CALL), limit: 9 });
    let call = CallView {
        id: CALL,
        tenant: BRAND,
        caller: "1001".into(),
        dialed: "1002".into(),
        callee: "1002".into(),
        state: "held".into(),
        started: NOW,
        answered: Some(NOW),
        sip_call_id: "a@b".into(),
        media: NodeId(0),
    };
    to.message("query.calls", Calls { calls: vec![call] });
    let list = ListRegistrations { tenant: None, after: Some(aor()), limit: 9 };
    to.message("query.list_registrations", list);
    let registrations = vec![Registration { aor: aor(), contacts: vec![contact()] }];
    to.message("query.registrations", Registrations { registrations });
    to.message("query.show_ladder", ShowLadder { call: CALL });
    let rung = Rung { at: NOW, party: "caller".into(), to_us: true, message: b"BYE sip:x SIP/2.0".to_vec() };
    to.message("query.ladder", Ladder { rungs: vec![rung] });
    to.message("query.hang_up", HangUp { call: CALL, reason: "enough".into() });
    to.message("query.hung_up", HungUp { found: true });
    to.message("query.gauges", Gauges { values: vec![("calls".into(), 2.5)] });
}

fn moved_event() -> CallEvent {
    let moved = Some(Move { to: NodeId(2), reason: Reason::Path });
    CallEvent {
        call: CALL,
        tenant: BRAND,
        serial: 9,
        at: NOW,
        what: What::Moved,
        moved,
        ..CallEvent::default()
    }
}

fn records(to: &mut impl Reader) {
    let outcomes = [
        ("record.answered", Outcome::Answered),
        ("record.busy", Outcome::Busy),
        ("record.no_answer", Outcome::NoAnswer),
        ("record.cancelled", Outcome::Cancelled),
        ("record.unreachable", Outcome::Unreachable),
        ("record.refused", Outcome::Refused),
        ("record.failed", Outcome::Failed),
    ];
    for (name, outcome) in outcomes {
        to.message(name, Keep { records: vec![record(outcome)] });
    }
    to.message("record.kept", Kept { ids: vec![CALL] });
}

fn record(outcome: Outcome) -> CallRecord {
    CallRecord {
        id: CALL,
        tenant: BRAND,
        sip_call_id: "a@b".into(),
        caller: "1001".into(),
        dialed: "1002".into(),
        callee: "app:echo".into(),
        started: NOW,
        rang: Some(NOW),
        answered: Some(NOW),
        ended: NOW,
        outcome,
        status: 200,
        cause: "caller hung up".into(),
        quality: vec![quality()],
        price: Some(money(1_500)),
        reserved: Some(money(20_000)),
        released: Some(money(18_500)),
        carrier: None,
    }
}

fn aor() -> Aor {
    Aor { tenant: BRAND, user: "1001".into() }
}

fn contact() -> Contact {
    Contact {
        uri: "sip:1001@192.0.2.7:5062".into(),
        path: vec!["<sip:flow@edge;lr>".into()],
        q: 500,
        expires: NOW,
        transport: "udp".into(),
        source: "192.0.2.7:5062".into(),
        user_agent: "phone".into(),
    }
}

fn quality() -> LegQuality {
    LegQuality {
        leg: 1,
        codec: "PCMU".into(),
        received: 500,
        sent: 499,
        lost: 1,
        remote_lost: Some(2),
        jitter_ms: 1.5,
        round_trip_ms: Some(12.25),
        mos: Some(4.25),
    }
}

fn sounds() -> Vec<Sound> {
    let (name, digits) = ("welcome".into(), "12#".into());
    vec![Sound::Prompt { name }, Sound::Digits { digits }, Sound::Silence { ms: 200 }]
}

fn money(micros: i64) -> Money {
    Money { micros, currency: "EUR".into() }
}
