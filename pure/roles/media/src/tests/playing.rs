use std::time::Duration;

use contract::media::{Anchor, Happening, Say, Sound};

use super::stage::{FRAME, Phone, Stage, conversation, monologue, secs, two_who_talk};

fn say(mut wish: Anchor, serial: u32, sounds: Vec<Sound>) -> Anchor {
    wish.legs[0].say = Some(Say { serial, sounds });
    wish
}

fn second() -> Vec<Sound> {
    vec![Sound::Prompt { name: "second".into() }]
}

#[test]
fn a_prompt_is_played_evenly_and_its_end_is_told() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    stage.connect(&say(monologue(1, &alice), 1, second()));
    let start = stage.now;
    stage.advance(secs(2));
    let heard = stage.sound_to(&alice);
    assert_eq!(heard.len(), 50);
    for (index, packet) in (0..).zip(&heard) {
        assert_eq!(packet.at, start.after(FRAME * index));
        assert_eq!(packet.header().payload_type, 8, "A-law is what she named first");
        assert_eq!(packet.header().sequence, heard[0].header().sequence.wrapping_add(index as u16));
    }
    assert_eq!(stage.noticed[0], (0, Happening::Said { serial: 1 }));
}

#[test]
fn a_prompt_waits_until_somebody_can_hear_it() {
    let mut stage = Stage::new();
    let mut alice = Phone::at("198.51.100.1:4000", 1);
    let mut wish = say(monologue(1, &alice), 1, second());
    wish.legs[0].remote_rtp = None;
    let ports = stage.connect(&wish);
    alice.told(&ports[0]);
    stage.advance(secs(1));
    alice.speaks(&mut stage);
    alice.speaks(&mut stage);
    stage.advance(secs(2));
    assert_eq!(stage.sound_to(&alice).len(), 50);
}

#[test]
fn another_sound_takes_the_place_of_the_one_that_plays() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    stage.connect(&say(monologue(1, &alice), 1, second()));
    stage.advance(Duration::from_millis(190));
    stage.connect(&say(monologue(2, &alice), 2, vec![Sound::Digits { digits: "5".into() }]));
    stage.advance(secs(2));
    let heard = stage.sound_to(&alice);
    assert_eq!(heard.len(), 10 + 10);
    assert_eq!(heard[10].header().ssrc, heard[9].header().ssrc);
    assert_eq!(heard[10].header().sequence, heard[9].header().sequence.wrapping_add(1));
    assert!(heard[10].header().marker);
    assert_eq!(stage.noticed[0], (0, Happening::Said { serial: 2 }));
}

#[test]
fn the_same_serial_is_played_once() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    stage.connect(&say(monologue(1, &alice), 1, second()));
    stage.advance(secs(2));
    stage.connect(&say(monologue(2, &alice), 1, second()));
    stage.advance(secs(2));
    assert_eq!(stage.sound_to(&alice).len(), 50);
}

#[test]
fn a_wish_without_a_sound_stops_it() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    stage.connect(&say(monologue(1, &alice), 1, second()));
    stage.advance(Duration::from_millis(90));
    stage.connect(&monologue(2, &alice));
    stage.advance(secs(2));
    assert_eq!(stage.sound_to(&alice).len(), 5);
    assert!(stage.noticed.is_empty());
}

#[test]
fn whoever_is_played_to_hears_nobody_else_meanwhile() {
    let mut stage = Stage::new();
    let (alice, mut bob) = two_who_talk(&mut stage);
    stage.connect(&say(conversation(2, Some(&alice), Some(&bob)), 1, second()));
    for _ in 0..100 {
        bob.speaks(&mut stage);
        stage.advance(FRAME);
    }
    let (ours, bobs): (Vec<_>, Vec<_>) =
        stage.sound_to(&alice).into_iter().partition(|packet| packet.header().ssrc != 2);
    assert_eq!(ours.len(), 50);
    assert_eq!(bobs.len(), 50);
    assert!(ours[49].at <= bobs[0].at);
}

#[test]
fn what_cannot_be_played_is_said_to_be_over() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    let missing = vec![Sound::Prompt { name: "missing".into() }];
    stage.connect(&say(monologue(1, &alice), 1, missing));
    stage.advance(FRAME);
    assert_eq!(stage.noticed, [(0, Happening::Said { serial: 1 })]);
    assert_eq!(stage.gauge("media_unplayable_total"), 1.0);
}

#[test]
fn a_phone_that_hears_only_us_gets_our_reports() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    stage.connect(&say(monologue(1, &alice), 1, second()));
    stage.advance(secs(7));
    let reports = stage.to(alice.rtcp, rtp::Datagram::Rtcp);
    assert_eq!(reports.len(), 1);
    let reports = rtp::rtcp::parse(&reports[0].datagram).unwrap();
    assert!(matches!(&reports[0], rtp::rtcp::Report::Sender { info, .. } if info.packets == 50));
}
