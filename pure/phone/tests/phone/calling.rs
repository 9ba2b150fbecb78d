//! Calls between two phones.

use std::time::Duration;

use phone::{CallNo, Command, Event, OnCall, Transport};
use sip::{Method, Status};

use crate::world::{ALICE, BOB, FIRST, World};

/// The call's end, without what was heard.
fn over(event: &Event) -> (Option<u16>, bool) {
    match event {
        Event::Over { refused, by_us, .. } => (refused.map(Status::code), *by_us),
        other => panic!("{other:?}"),
    }
}

fn up() -> World {
    let mut world = World::with_bob_answering();
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    let told = world.told(ALICE);
    assert_eq!(told, [Event::Ringing(FIRST, Status::RINGING), Event::Answered(FIRST)]);
    let caller = "sip:alice@example.com".to_owned();
    assert_eq!(world.told(BOB), [Event::Incoming(FIRST, caller), Event::Answered(FIRST)]);
    world
}

#[test]
fn both_hear_each_other_and_hang_up() {
    let mut world = up();
    world.wait(10_000);
    world.command(ALICE, Command::HangUp(FIRST));
    world.wait(100);
    let (alice, bob) = (world.told(ALICE), world.told(BOB));
    assert_eq!((over(&alice[0]), over(&bob[0])), ((None, true), (None, false)));
    for event in alice.iter().chain(&bob) {
        let Event::Over { quality, .. } = event else { panic!("{event:?}") };
        assert_eq!((quality.lost, quality.codec.as_str()), (0, "PCMU"));
        assert!((505..=530).contains(&quality.received), "{quality:?}");
        assert!(quality.mos.is_some_and(|mos| mos > 4.3), "{quality:?}");
        assert!(quality.round_trip_ms.is_some_and(|trip| (19.0..=21.0).contains(&trip)), "{quality:?}");
        assert!(quality.far.is_some_and(|far| far.lost == 0), "{quality:?}");
    }
    world.wait(40_000);
    assert!(world.phones.iter().all(|phone| phone.calls().next().is_none()));
    assert!(world.phones.iter().all(|phone| machine::Machine::next_deadline(phone).is_none()));
}

#[test]
fn a_talk_may_have_its_time() {
    let mut world = World::with(|who, settings| match who {
        ALICE => settings.talk = Some(Duration::from_secs(3)),
        _ => settings.on_call = OnCall::Answer(Duration::ZERO),
    });
    world.command(ALICE, Command::Call("sip:bob@example.com".into()));
    world.wait(2_900);
    assert_eq!(world.told(ALICE).len(), 2);
    world.wait(200);
    assert_eq!(over(&world.told(ALICE)[0]), (None, true));
}

#[test]
fn somebody_may_answer_by_hand_refuse_or_be_out() {
    let mut world = World::new();
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(5_000);
    assert_eq!(world.told(ALICE), [Event::Ringing(FIRST, Status::RINGING)]);
    world.command(BOB, Command::Answer(FIRST));
    world.wait(100);
    assert_eq!(world.told(ALICE), [Event::Answered(FIRST)]);

    let mut world = World::new();
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    world.told(BOB);
    world.command(BOB, Command::Refuse(FIRST, Status::DECLINE));
    world.wait(100);
    assert_eq!(over(&world.told(ALICE)[1]), (Some(603), false));
    assert_eq!(over(&world.told(BOB)[0]), (None, true));

    let mut world = World::with(|_, settings| settings.on_call = OnCall::Refuse(Status::BUSY_HERE));
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(100);
    assert_eq!(over(&world.told(ALICE)[0]), (Some(486), false));
    assert_eq!(world.told(BOB), []);
    world.wait(40_000);
    assert_eq!(world.phones[BOB].calls().count(), 0);
}

#[test]
fn a_caller_gives_up() {
    let mut world = World::new();
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    world.command(ALICE, Command::HangUp(FIRST));
    world.wait(100);
    assert_eq!(over(world.told(ALICE).last().unwrap()), (Some(487), false));
    assert_eq!(over(world.told(BOB).last().unwrap()), (Some(487), false));
    world.command(BOB, Command::Answer(FIRST));
    world.wait(100);
    assert_eq!(world.told(BOB), [], "nobody takes up what the caller has given up");
}

#[test]
fn a_phone_has_as_many_lines_as_audio_addresses() {
    let mut world = World::with_bob_answering();
    for _ in 0..3 {
        world.command(ALICE, Command::Call("bob".into()));
    }
    world.wait(1_000);
    let told = world.told(ALICE);
    assert!(told.contains(&Event::Answered(CallNo(1))) && told.contains(&Event::Answered(CallNo(2))));
    let full = |event: &&Event| matches!(event, Event::Over { call: CallNo(3), refused: Some(_), .. });
    assert_eq!(told.iter().filter(full).count(), 1);
    world.wait(3_000);
    for number in [CallNo(1), CallNo(2)] {
        assert!(world.phones[ALICE].quality(number).unwrap().received > 100, "each hears its own");
    }
    world.command(ALICE, Command::HangUp(CallNo(1)));
    world.wait(100);
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    assert!(world.told(ALICE).contains(&Event::Answered(CallNo(4))), "a line is free again at once");
}

#[test]
fn a_third_call_to_a_phone_with_two_lines_is_busy() {
    let mut world = World::with(|who, settings| match who {
        ALICE => settings.audio = (0..3).map(|slot| ([10, 0, 0, 1], 4000 + 2 * slot).into()).collect(),
        _ => settings.on_call = OnCall::Answer(Duration::ZERO),
    });
    for _ in 0..3 {
        world.command(ALICE, Command::Call("bob".into()));
    }
    world.wait(1_000);
    let busy = |event: &&Event| matches!(event, Event::Over { refused: Some(Status::BUSY_HERE), .. });
    assert_eq!(world.told(ALICE).iter().filter(busy).count(), 1);
}

#[test]
fn hold_silences_the_other_side_and_resume_brings_it_back() {
    let mut world = up();
    world.command(ALICE, Command::Hold(FIRST));
    world.wait(1_000);
    assert_eq!(world.told(BOB), [Event::Held(FIRST, true)]);
    let before = world.phones[ALICE].quality(FIRST).unwrap();
    world.wait(5_000);
    let held = world.phones[ALICE].quality(FIRST).unwrap();
    assert_eq!(held.received, before.received);
    assert!(held.sent > before.sent + 200, "who holds may still send (music)");
    world.command(ALICE, Command::Resume(FIRST));
    world.wait(1_000);
    assert_eq!(world.told(BOB), [Event::Held(FIRST, false)]);
    let after = world.phones[ALICE].quality(FIRST).unwrap();
    assert!(after.received > held.received);
    assert!(after.longest_gap_ms < 100.0, "a hold is no gap: {after:?}");
    assert!(after.lost == 0, "{after:?}");
}

#[test]
fn over_tcp_and_through_loss_calls_come_about_and_end() {
    let mut world = World::with(|who, settings| {
        settings.transport = Transport::Tcp;
        if who == BOB {
            settings.on_call = OnCall::Answer(Duration::ZERO);
        }
    });
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    assert!(world.told(ALICE).contains(&Event::Answered(FIRST)));

    for seed in 0..50 {
        let mut world = World::with_bob_answering();
        world.loss = 20;
        world.jitter = 100;
        world.wait(seed * 17);
        for _ in 0..seed {
            world.input(ALICE, phone::In::Audio(0, vec![0]));
        }
        world.command(ALICE, Command::Call("bob".into()));
        world.wait(20_000 + seed * 31);
        world.command(BOB, Command::HangUp(FIRST));
        world.wait(100_000);
        for who in [ALICE, BOB] {
            let told = world.told(who);
            let ends = told.iter().filter(|event| matches!(event, Event::Over { .. })).count();
            assert_eq!(ends, 1, "seed {seed}: {told:?}");
            assert_eq!(world.phones[who].calls().count(), 0);
        }
    }
}

#[test]
fn strangers_get_an_answer_or_none() {
    let mut world = World::new();
    let request = |method: &str| {
        format!(
            "{method} sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n\
             From: <sip:x@y>;tag=1\r\nTo: <sip:alice@10.0.0.1>;tag=none\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\r\n"
        )
    };
    for method in ["OPTIONS", "BYE", "INVITE", "ACK", "NOTIFY"] {
        world.input(ALICE, phone::In::Sip(request(method).into_bytes()));
    }
    assert_eq!(world.answers(ALICE, Method::Options), [200]);
    assert_eq!(world.answers(ALICE, Method::Bye), [481]);
    assert_eq!(world.answers(ALICE, Method::Invite), [481]);
    assert_eq!(world.answers(ALICE, Method::Notify), [481]);
    assert_eq!(world.answers(ALICE, Method::Ack), []);
    for bytes in [&b""[..], b"\0\0\0\0", b"SIP/2.0 200 OK\r\n\r\n", b"INVITE x SIP/2.0\r\n\r\n"] {
        world.input(ALICE, phone::In::Sip(bytes.to_vec()));
        world.input(ALICE, phone::In::Audio(9, bytes.to_vec()));
    }
    assert_eq!(world.told(ALICE), []);
}
