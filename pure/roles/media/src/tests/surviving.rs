use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use contract::CallId;
use contract::media::{Happening, Payload, Say, Sound};
use machine::{Epoch, Moment, Shard};
use serde::Serialize;

use super::stage::{CALL, FRAME, Phone, Stage, conversation, monologue, secs, two_who_talk};
use journal::Cause;

use crate::Verdict;
use crate::kept::{self, KeptSession, MEDIA_SESSION};
use crate::latch::Latch;

#[test]
fn after_a_death_sound_flows_on_the_same_ports_before_anybody_asks() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = two_who_talk(&mut stage);
    alice.speaks(&mut stage);
    bob.speaks(&mut stage);
    let open = stage.open.clone();
    stage.delivered.clear();
    stage.kill();
    assert_eq!(stage.open, open);
    alice.speaks(&mut stage);
    bob.speaks(&mut stage);
    assert_eq!((stage.sound_to(&alice).len(), stage.sound_to(&bob).len()), (1, 1));
    let ports = stage.connect(&conversation(1, Some(&alice), Some(&bob)));
    assert_eq!(Some(ports[0].rtp), alice.anchor);
}

#[test]
fn after_a_death_a_phone_behind_nat_is_still_where_it_was() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = two_who_talk(&mut stage);
    let mut wish = conversation(2, None, Some(&bob));
    wish.legs[0].remote_rtp = "10.0.0.5:4000".parse().ok();
    stage.connect(&wish);
    alice.speaks(&mut stage);
    alice.speaks(&mut stage);
    stage.kill();
    stage.delivered.clear();
    bob.speaks(&mut stage);
    assert_eq!(stage.sound_to(&alice).len(), 1);
    let mut thief = Phone::at("192.0.2.66:6666", 1);
    thief.anchor = alice.anchor;
    assert_eq!(thief.speaks(&mut stage), Verdict::Drop);
}

#[test]
fn a_death_costs_at_most_a_second_of_the_counts() {
    let mut stage = Stage::new();
    let (mut alice, _) = two_who_talk(&mut stage);
    for _ in 0..1000 {
        alice.speaks(&mut stage);
        stage.advance(FRAME);
    }
    stage.kill();
    for _ in 0..50 {
        alice.speaks(&mut stage);
        stage.advance(FRAME);
    }
    let quality = &stage.release(3).quality[0];
    assert!(quality.received >= 1000, "{quality:?}");
    assert_eq!(quality.received + quality.lost, 1050, "what the dead one heard last counts as lost");
}

#[test]
fn after_a_death_a_prompt_goes_on_where_it_would_be() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    let mut wish = monologue(1, &alice);
    let sounds = vec![Sound::Prompt { name: "second".into() }];
    wish.legs[0].say = Some(Say { serial: 1, sounds });
    stage.connect(&wish);
    stage.advance(Duration::from_millis(395));
    let before = stage.sound_to(&alice);
    stage.now = stage.now.after(Duration::from_millis(60));
    stage.kill();
    stage.advance(secs(1));
    let after = stage.sound_to(&alice);
    assert_eq!(before.len(), 20);
    assert_eq!(after.len(), 28);
    let (last, next) = (before[19].header(), after[0].header());
    assert_eq!(next.ssrc, last.ssrc);
    assert_eq!(next.sequence, last.sequence.wrapping_add(3), "what fell into the gap is missing");
    assert_eq!(next.timestamp, last.timestamp.wrapping_add(3 * 160));
    assert_eq!(stage.noticed[0], (0, Happening::Said { serial: 1 }));
}

#[test]
fn a_digit_during_which_we_died_is_told_once() {
    let mut stage = Stage::new();
    let mut alice = Phone::at("198.51.100.1:4000", 1);
    let ports = stage.connect(&monologue(1, &alice));
    alice.told(&ports[0]);
    let mut sender = rtp::Sender::new(1, 8000, 1, 5000);
    let mut press = rtp::event::Press::new(&sender, 101, '9', 800, 160).unwrap();
    let mut count = 0;
    while let Some((header, payload)) = press.packet(&mut sender) {
        let packet = [&header.bytes()[..], &payload].concat();
        stage.send(alice.address, alice.anchor.unwrap(), &packet);
        count += 1;
        if count == 3 {
            stage.kill();
        }
    }
    alice.header.sequence = 100;
    alice.header.timestamp = 9000;
    alice.presses(&mut stage, '9');
    let serials = stage.noticed.iter().filter_map(|(_, what)| match what {
        Happening::Digit { serial, .. } => Some(*serial),
        _ => None,
    });
    assert_eq!(serials.max(), Some(2));
}

#[test]
fn a_panic_within_a_call_sets_up_this_call_again_and_no_other() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = (Phone::at("198.51.100.1:4000", 1), Phone::at("203.0.113.2:5000", 2));
    let mut other = conversation(1, Some(&alice), Some(&bob));
    other.call = contract::CallId(7);
    let ports = stage.connect(&other);
    let (carol, dave) = two_who_talk(&mut stage);
    let open = stage.open.clone();
    for cause in [Cause::Input, Cause::Deadline] {
        stage.connect(&conversation(1, Some(&carol), Some(&dave)));
        stage.panic(cause);
        let mut now_open = stage.open.clone();
        now_open.sort_unstable();
        assert_eq!(now_open, open);
        for (phone, port) in [(&mut alice, ports[0].rtp), (&mut bob, carol.anchor.unwrap())] {
            phone.anchor = Some(port);
        }
        assert!(matches!(alice.speaks(&mut stage), Verdict::Forward { .. }));
    }
    let ports = stage.connect(&conversation(1, Some(&carol), Some(&dave)));
    assert_eq!((Some(ports[0].rtp), Some(ports[1].rtp)), (carol.anchor, dave.anchor));
}

#[test]
fn records_of_the_first_format_are_understood() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = two_who_talk(&mut stage);
    let session = include_bytes!("../../testdata/session-1.msgpack").to_vec();
    let counters = include_bytes!("../../testdata/counters-1.msgpack").to_vec();
    let keys: Vec<_> = stage.kept.keys().copied().collect();
    stage.kept.insert((crate::MEDIA_SESSION, keys[0].1), session);
    stage.kept.insert((crate::MEDIA_COUNTERS, keys[0].1), counters);
    stage.kill();
    alice.header.sequence += 100;
    alice.speaks(&mut stage);
    bob.speaks(&mut stage);
    assert_eq!((stage.sound_to(&alice).len(), stage.sound_to(&bob).len()), (1, 1));
    let quality = stage.release(3).quality;
    assert_eq!(quality[0].received, 101);
}

/// Makes the bytes that the test above reads: once for each format, and never again.
#[test]
#[ignore = "writes testdata"]
fn write_records_of_this_format() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = two_who_talk(&mut stage);
    for _ in 0..100 {
        alice.speaks(&mut stage);
        bob.speaks(&mut stage);
    }
    stage.advance(secs(2));
    for (&(tag, _), body) in &stage.kept {
        let name = if tag == crate::MEDIA_SESSION { "session" } else { "counters" };
        let path = format!("{}/testdata/{name}-1.msgpack", env!("CARGO_MANIFEST_DIR"));
        #[allow(clippy::disallowed_methods)]
        std::fs::write(path, body).unwrap();
    }
}

/// What a later release keeps with a session and with each leg, and wishes of it.
#[derive(Serialize)]
struct Later {
    format: u16,
    wish: LaterWish,
    legs: Vec<LaterLeg>,
    alive_at: Moment,
    recording: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct LaterWish {
    call: CallId,
    shard: Shard,
    epoch: Epoch,
    version: u32,
    legs: Vec<LaterLegWish>,
    record_to: &'static str,
}

#[derive(Serialize)]
struct LaterLegWish {
    leg: u8,
    remote_rtp: Option<SocketAddr>,
    peer: Option<u8>,
    payloads: Vec<Payload>,
    ice: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct LaterLeg {
    leg: u8,
    rtp: Option<SocketAddr>,
    latch: Latch,
    keys: BTreeMap<&'static str, u64>,
}

/// It is passed over wherever it stands, and is gone when this release writes the session again: as long as members
/// of this release may hold sessions, nobody begins one that needs it.
#[test]
fn a_session_of_a_later_release_goes_on_without_what_is_new() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    let key = (MEDIA_SESSION, kept::key(CALL));
    let kept: KeptSession = contract::decode(&stage.kept[&key]).unwrap();
    let wishes = kept.wish.legs.iter().map(|wish| LaterLegWish {
        leg: wish.leg,
        remote_rtp: wish.remote_rtp,
        peer: wish.peer,
        payloads: wish.payloads.clone(),
        ice: [("ufrag", "8hhY"), ("pwd", "asd88fgpdd777uzjYhagZg")].into(),
    });
    let wish = LaterWish {
        call: CALL,
        shard: kept.wish.shard,
        epoch: kept.wish.epoch,
        version: kept.wish.version,
        legs: wishes.collect(),
        record_to: "s3",
    };
    let legs = kept.legs.into_iter().map(|leg| LaterLeg {
        leg: leg.leg,
        rtp: leg.rtp,
        latch: leg.latch,
        keys: [("rollover", 7)].into(),
    });
    let (legs, alive_at) = (legs.collect(), kept.alive_at);
    let later = Later { format: 2, wish, legs, alive_at, recording: [("written", 96_000)].into() };
    stage.kept.insert(key, contract::encode(&later));
    stage.kill();
    stage.delivered.clear();
    alice.speaks(&mut stage);
    assert_eq!(stage.sound_to(&bob).len(), 1);
    let ports = stage.connect(&conversation(1, Some(&alice), Some(&bob)));
    assert_eq!(Some(ports[0].rtp), alice.anchor);
}
