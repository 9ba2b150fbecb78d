//! A real media worker under a real supervisor, on real sockets.

#![allow(clippy::unwrap_used)]

mod stage;

use std::time::{Duration, Instant};

use contract::media::{Happening, Say, Sound};
use rtp::Header;
use stage::{Ear, Party, Stage, monologue, steps};

const FRAME: Duration = Duration::from_millis(20);

#[test]
fn two_who_talk_hear_each_other() {
    let mut stage = Stage::new("talk", 1);
    let (mut alice, mut bob) = stage.two_who_talk(1);
    for _ in 0..50 {
        alice.speak();
        bob.speak();
        std::thread::sleep(FRAME);
    }
    assert_eq!((alice.listen().len(), bob.listen().len()), (50, 50));
    let quality = stage.release(1).quality;
    assert_eq!((quality[0].received, quality[1].received), (50, 50));
    assert!(quality[0].mos.unwrap() > 4.0 && quality[0].jitter_ms < 10.0, "{quality:?}");
}

#[test]
fn calls_are_shared_by_threads() {
    let mut stage = Stage::new("threads", 2);
    let mut pairs: Vec<_> = (1..=8).map(|call| stage.two_who_talk(call)).collect();
    for (alice, bob) in &mut pairs {
        alice.speak();
        bob.speak();
    }
    std::thread::sleep(5 * FRAME);
    for (alice, bob) in &mut pairs {
        assert_eq!((alice.listen().len(), bob.listen().len()), (1, 1));
    }
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(stage.gauge("media_calls"), 8.0);
    for call in 1..=8 {
        assert_eq!(stage.release(call).quality.len(), 2);
    }
}

#[test]
fn a_hijackers_packets_are_not_heard() {
    let mut stage = Stage::new("hijack", 1);
    let (mut alice, mut bob) = stage.two_who_talk(1);
    let mut thief = Party::new(alice.header.ssrc);
    thief.anchor = alice.anchor;
    for _ in 0..50 {
        alice.speak();
        thief.header = alice.header;
        thief.speak();
        bob.speak();
        std::thread::sleep(FRAME);
    }
    assert_eq!(bob.listen().len(), 50);
    assert_eq!(alice.listen().len(), 50);
    assert!(thief.listen().is_empty());
    assert_eq!(stage.gauge("media_packets_strangers_total"), 50.0);
}

#[test]
fn a_prompt_is_played_with_even_steps() {
    let mut stage = Stage::new("prompt", 1);
    let mut alice = Party::new(1);
    let mut wish = monologue(1, &alice);
    let sounds = vec![Sound::Prompt { name: "welcome".into() }];
    wish.legs[0].say = Some(Say { serial: 1, sounds });
    alice.anchor = Some(stage.anchor(&wish)[0].rtp);
    let ear = alice.ear();
    let begin = Instant::now();
    let said = stage.hear(Duration::from_secs(8));
    let took = begin.elapsed();
    assert_eq!(said.what, Happening::Said { serial: 1 });
    let heard = ear.heard();
    assert!(heard.len() > 150, "{} packets", heard.len());
    let expected = FRAME * heard.len() as u32;
    assert!(took.abs_diff(expected) < Duration::from_millis(100), "{took:?} for {expected:?}");
    let samples: Vec<i16> =
        heard.iter().flat_map(|(_, packet)| audio::Law::Mu.decode_all(&packet[Header::LENGTH..])).collect();
    let file = include_bytes!("../../../../assets/prompts/welcome.wav");
    let welcome = audio::Wav::parse(file).unwrap().mono();
    assert_eq!(samples[..welcome.len()], welcome);
    let steps = steps(&heard);
    let uneven = steps.iter().filter(|step| step.abs_diff(FRAME) > Duration::from_millis(10)).count();
    assert!(uneven * 10 < steps.len(), "{uneven} of {} steps are uneven", steps.len());
}

#[test]
fn a_digit_is_heard_once_and_can_be_played_back() {
    let mut stage = Stage::new("digit", 1);
    let mut alice = Party::new(1);
    let mut wish = monologue(1, &alice);
    alice.anchor = Some(stage.anchor(&wish)[0].rtp);
    alice.press('5');
    let noticed = stage.hear(Duration::from_secs(1));
    assert_eq!(noticed.what, Happening::Digit { digit: '5', serial: 1 });
    wish.version = 2;
    wish.legs[0].say = Some(Say { serial: 1, sounds: vec![Sound::Digits { digits: "5".into() }] });
    stage.anchor(&wish);
    std::thread::sleep(Duration::from_millis(300));
    let samples: Vec<i16> =
        alice.listen().iter().flat_map(|it| audio::Law::Mu.decode_all(&it[Header::LENGTH..])).collect();
    assert_eq!(audio::dtmf::Detector::new(8000).hear(&samples), ['5']);
    assert!(stage.heard_serials().iter().all(|&serial| serial == 1));
}

/// A hundred calls, and a worker that is killed again and again.
#[test]
fn sound_flows_again_at_once_after_a_kill() {
    let mut stage = Stage::new("kill", 1);
    let (mut carol, mut dave) = stage.two_who_talk(101);
    let mut calls: Vec<_> = (1..=100).map(|call| stage.two_who_talk(call)).collect();
    let ears = [carol.ear(), dave.ear()];
    for step in 0..150 {
        if step % 50 == 25 {
            stage.kill_worker();
        }
        for (alice, bob) in &mut calls {
            alice.speak();
            bob.speak();
        }
        carol.speak();
        dave.speak();
        std::thread::sleep(FRAME);
    }
    std::thread::sleep(2 * FRAME);
    assert_eq!(stage.restarts(), 3);
    for (number, (alice, bob)) in calls.iter_mut().enumerate() {
        let heard = (alice.listen().len(), bob.listen().len());
        assert_eq!(heard, (150, 150), "call {number}: the kernel held what came meanwhile");
    }
    for heard in ears.map(Ear::heard) {
        let longest = steps(&heard).into_iter().max().unwrap();
        println!("the longest silence over three kills: {longest:?}");
        assert!(longest < Duration::from_millis(400), "{longest:?}");
    }
    let quality = stage.release(1).quality;
    assert!(quality[0].received + quality[0].lost >= 150, "{quality:?}");
}
