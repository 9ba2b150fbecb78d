use std::time::Duration;

use contract::media::Happening;

use super::stage::{FRAME, Phone, Stage, conversation, monologue, secs, two_who_talk};

/// As an exchange hears them: what it knows is passed over.
fn digits(stage: &Stage) -> Vec<(char, u32)> {
    let mut digits: Vec<(char, u32)> = Vec::new();
    for (_, what) in &stage.noticed {
        if let Happening::Digit { digit, serial } = *what
            && digits.last().is_none_or(|last| serial > last.1)
        {
            digits.push((digit, serial));
        }
    }
    digits
}

#[test]
fn each_digit_is_told_under_a_serial_of_its_own() {
    let mut stage = Stage::new();
    let mut alice = Phone::at("198.51.100.1:4000", 1);
    let ports = stage.connect(&monologue(1, &alice));
    alice.told(&ports[0]);
    for digit in "1*5".chars() {
        alice.presses(&mut stage, digit);
    }
    assert_eq!(digits(&stage), [('1', 1), ('*', 2), ('5', 3)]);
}

#[test]
fn a_digit_is_told_again_in_case_nobody_was_there_to_hear() {
    let mut stage = Stage::new();
    let mut alice = Phone::at("198.51.100.1:4000", 1);
    let ports = stage.connect(&monologue(1, &alice));
    alice.told(&ports[0]);
    alice.presses(&mut stage, '7');
    stage.advance(secs(60));
    assert_eq!(stage.noticed.len(), 4);
    assert_eq!(digits(&stage), [('7', 1)]);
}

#[test]
fn digits_that_an_exchange_missed_come_before_the_next() {
    let mut stage = Stage::new();
    let mut alice = Phone::at("198.51.100.1:4000", 1);
    let ports = stage.connect(&monologue(1, &alice));
    alice.told(&ports[0]);
    alice.presses(&mut stage, '1');
    stage.noticed.clear();
    alice.presses(&mut stage, '2');
    assert_eq!(digits(&stage), [('1', 1), ('2', 2)]);
}

#[test]
fn an_exchange_that_asks_again_hears_at_once_what_it_may_have_missed() {
    let mut stage = Stage::new();
    let mut alice = Phone::at("198.51.100.1:4000", 1);
    let ports = stage.connect(&monologue(1, &alice));
    alice.told(&ports[0]);
    alice.presses(&mut stage, '7');
    stage.noticed.clear();
    stage.connect(&monologue(1, &alice));
    assert_eq!(digits(&stage), [('7', 1)]);
}

#[test]
fn a_silent_leg_is_told_and_told_as_one_silence() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = two_who_talk(&mut stage);
    let mut wish = conversation(2, Some(&alice), Some(&bob));
    wish.inactivity_ms = 3_000;
    stage.connect(&wish);
    for step in 0..600 {
        alice.speaks(&mut stage);
        if step < 100 {
            bob.speaks(&mut stage);
        }
        stage.advance(FRAME);
        if step == 240 {
            assert!(stage.noticed.is_empty(), "it is not three seconds yet");
        }
    }
    assert_eq!(stage.noticed[0], (1, Happening::Inactive));
    assert_eq!(stage.gauge("media_inactive_total"), 1.0);
}

#[test]
fn silence_on_hold_is_no_sign_of_death() {
    let mut stage = Stage::new();
    let (alice, bob) = two_who_talk(&mut stage);
    let mut wish = conversation(2, Some(&alice), Some(&bob));
    wish.inactivity_ms = 3_000;
    wish.legs[0].held = true;
    wish.legs[1].held = true;
    stage.connect(&wish);
    stage.advance(secs(50));
    assert!(stage.noticed.is_empty());
    wish.version = 3;
    wish.legs[0].held = false;
    wish.legs[1].held = false;
    stage.connect(&wish);
    stage.advance(Duration::from_millis(2_900));
    assert!(stage.noticed.is_empty(), "the time counts from the end of the hold");
    stage.advance(Duration::from_millis(200));
    assert_eq!(stage.noticed.len(), 2);
}

#[test]
fn whoever_is_held_or_rings_is_asked_about_now_and_then() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    let mut wish = conversation(2, Some(&alice), Some(&bob));
    wish.inactivity_ms = 3_000;
    wish.legs.iter_mut().for_each(|leg| leg.held = true);
    stage.connect(&wish);
    stage.advance(secs(45));
    alice.speaks(&mut stage);
    stage.advance(secs(59));
    assert!(stage.noticed.is_empty(), "it was spoken to less than a minute ago");
    stage.advance(secs(63));
    assert_eq!(stage.noticed, [(0, Happening::Idle), (0, Happening::Idle)]);
    assert!(!stage.open.is_empty(), "nobody has released it");
    stage.release(3);
    stage.noticed.clear();
    stage.advance(secs(130));
    assert!(stage.noticed.is_empty());
}
