//! What is said, heard, pressed and measured.

use std::time::Duration;

use phone::{Command, Digits, Event, OnCall};
use sip::Method;

use crate::world::{ALICE, BOB, FIRST, World};

/// A voice that is unlike itself at any other time: a rising tone.
fn voice(samples: usize) -> Vec<i16> {
    let phase = |at: usize| (at as f64 * at as f64 / 9_000.0 + at as f64) / 12.0;
    (0..samples).map(|at| (phase(at).sin() * 8_000.0) as i16).collect()
}

/// Alice talks and Bob keeps what he hears.
fn recorded(loss: u64, jitter: u64) -> (Vec<i16>, phone::Quality) {
    let mut world = World::with(|who, settings| match who {
        ALICE => settings.voice = voice(80_000),
        _ => {
            settings.on_call = OnCall::Answer(Duration::ZERO);
            settings.record = 64_000;
        }
    });
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    (world.loss, world.jitter) = (loss, jitter);
    world.wait(9_000);
    (world.loss, world.jitter) = (0, 0);
    world.command(ALICE, Command::HangUp(FIRST));
    world.wait(1_000);
    match world.told(BOB).pop() {
        Some(Event::Over { heard, quality, .. }) => (heard, quality),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_said_is_heard() {
    let (heard, quality) = recorded(0, 0);
    assert_eq!(heard.len(), 64_000);
    let comparison = audio::compare(&voice(80_000), &heard, 8000).unwrap();
    assert!(comparison.median > 0.99, "{comparison:?}");
    assert_eq!((quality.lost, quality.concealed, quality.late), (0, 0, 0));
}

#[test]
fn an_uneven_wire_is_smoothed() {
    let (heard, quality) = recorded(0, 60);
    assert!(quality.reordered > 0 && quality.jitter_ms > 5.0, "{quality:?}");
    assert!(quality.buffer_ms >= 60.0, "{quality:?}");
    let comparison = audio::compare(&voice(80_000), &heard, 8000).unwrap();
    assert!(comparison.median > 0.9, "{comparison:?}");
}

#[test]
fn loss_is_counted_and_costs_quality() {
    let (heard, quality) = recorded(10, 0);
    assert!((20..=70).contains(&quality.lost), "{quality:?}");
    assert!(quality.concealed >= 20, "{quality:?}");
    assert!(quality.mos.is_some_and(|mos| (2.5..=4.0).contains(&mos)), "{quality:?}");
    assert_eq!(heard.len(), 64_000, "the recording keeps time");
}

#[test]
fn what_is_said_may_change() {
    let mut world = World::with(|who, settings| match who {
        ALICE => settings.voice = Vec::new(),
        _ => {
            settings.on_call = OnCall::Answer(Duration::ZERO);
            settings.record = 100_000;
        }
    });
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(2_000);
    world.command(ALICE, Command::Say(FIRST, vec![10_000, -10_000]));
    world.wait(2_000);
    world.command(ALICE, Command::HangUp(FIRST));
    world.wait(100);
    let Some(Event::Over { heard, .. }) = world.told(BOB).pop() else { panic!() };
    let loud = heard.iter().filter(|sample| sample.unsigned_abs() > 9_000).count();
    let silent = heard.iter().filter(|sample| **sample == 0).count();
    assert!(loud > 15_000 && silent > 14_000, "{loud} {silent} of {}", heard.len());
}

#[test]
fn digits_are_heard_once_each_in_their_order_even_through_loss() {
    for loss in [0, 15] {
        let mut world = World::with_bob_answering();
        world.command(ALICE, Command::Call("bob".into()));
        world.wait(1_000);
        world.told(BOB);
        world.loss = loss;
        world.command(ALICE, Command::Press(FIRST, "1x1#5*D".into()));
        world.wait(3_000);
        let digits: String = world
            .told(BOB)
            .into_iter()
            .map(|event| match event {
                Event::Digit(FIRST, digit) => digit,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(digits, "11#5*D");
        assert_eq!(world.requests(ALICE, Method::Info), 0);
    }
}

#[test]
fn digits_may_go_by_info() {
    let mut world = World::with(|who, settings| match who {
        ALICE => settings.digits = Digits::Info,
        _ => settings.on_call = OnCall::Answer(Duration::ZERO),
    });
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    world.told(BOB);
    world.command(ALICE, Command::Press(FIRST, "12#".into()));
    world.wait(2_000);
    let told = world.told(BOB);
    assert_eq!(told, ['1', '2', '#'].map(|digit| Event::Digit(FIRST, digit)));
    assert_eq!(world.requests(ALICE, Method::Info), 3);
}

#[test]
fn the_pause_for_digits_is_no_loss() {
    let mut world = World::with_bob_answering();
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    world.command(ALICE, Command::Press(FIRST, "123456789".into()));
    world.wait(5_000);
    let quality = world.phones[BOB].quality(FIRST).unwrap();
    assert_eq!((quality.lost, quality.concealed), (0, 0), "{quality:?}");
    assert!(quality.longest_gap_ms < 25.0, "{quality:?}");
}

#[test]
fn quality_is_told_now_and_then() {
    let mut world = World::with(|who, settings| {
        if who == BOB {
            settings.on_call = OnCall::Answer(Duration::ZERO);
            settings.report = Some(Duration::from_secs(5));
        }
    });
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(21_000);
    let heard = |event: &Event| match event {
        Event::Heard(FIRST, quality) => Some(quality.received),
        _ => None,
    };
    let told: Vec<_> = world.told(BOB).iter().filter_map(heard).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told.is_sorted() && told[3] > 950, "{told:?}");
}

#[test]
fn a_phone_that_was_held_up_does_not_flood() {
    let mut world = World::with_bob_answering();
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    let before = world.phones[ALICE].quality(FIRST).unwrap().sent;
    let mut out = machine::Outbox::new();
    let late = world.now.after(Duration::from_secs(10));
    machine::Machine::expire(&mut world.phones[ALICE], late, &mut out);
    let sent = world.phones[ALICE].quality(FIRST).unwrap().sent - before;
    assert!(sent <= 2, "{sent}");
}

#[test]
fn a_phone_that_speaks_early_is_heard_before_it_answers() {
    let mut world =
        World::with(|who, settings| settings.voice = if who == BOB { voice(8_000) } else { vec![] });
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(100);
    world.command(BOB, Command::SpeakEarly(FIRST));
    world.wait(1_000);
    let early = world.phones[ALICE].quality(FIRST).unwrap().received;
    assert!((40..=51).contains(&early), "{early} packets of early media");
    assert!(!world.told(ALICE).iter().any(|event| matches!(event, Event::Answered(_))));
    world.command(BOB, Command::Answer(FIRST));
    world.wait(1_000);
    assert!(world.told(ALICE).contains(&Event::Answered(FIRST)));
    assert!(world.phones[ALICE].quality(FIRST).unwrap().received > early + 40);
}
