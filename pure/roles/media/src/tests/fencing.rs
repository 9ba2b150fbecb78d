use contract::media::Anchored;
use machine::Epoch;

use super::stage::{Phone, Stage, conversation, secs, two_who_talk};

#[test]
fn a_repeated_wish_gets_the_same_answer() {
    let mut stage = Stage::new();
    let alice = Phone::at("198.51.100.1:4000", 1);
    let wish = conversation(1, Some(&alice), None);
    let ports = stage.connect(&wish);
    assert_eq!(stage.connect(&wish), ports);
    assert_eq!(stage.open.len(), 2);
}

#[test]
fn an_older_wish_changes_nothing() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    let moved = Phone::at("203.0.113.9:9000", 3);
    stage.connect(&conversation(3, Some(&alice), Some(&moved)));
    stage.connect(&conversation(2, Some(&alice), Some(&bob)));
    alice.speaks(&mut stage);
    assert_eq!(stage.sound_to(&moved).len(), 1);
}

#[test]
fn a_ghost_is_not_heard() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    let mut ghost = conversation(99, None, None);
    ghost.epoch = Epoch(2);
    assert_eq!(stage.anchor(&ghost), Anchored::Stale);
    assert!(stage.release(2).quality.is_empty());
    alice.speaks(&mut stage);
    assert_eq!(stage.sound_to(&bob).len(), 1, "the call goes on");
}

#[test]
fn the_next_owner_of_a_call_is_heard_even_if_it_knows_less() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    let ports = stage.connect(&conversation(7, Some(&alice), Some(&bob)));
    let mut adopted = conversation(5, Some(&alice), Some(&bob));
    adopted.epoch = Epoch(4);
    assert_eq!(stage.connect(&adopted), ports);
    alice.speaks(&mut stage);
    assert_eq!(stage.sound_to(&bob).len(), 1);
}

#[test]
fn a_release_is_answered_alike_for_some_minutes_and_then_forgotten() {
    let mut stage = Stage::new();
    let (mut alice, _) = two_who_talk(&mut stage);
    alice.speaks(&mut stage);
    let released = stage.release(3);
    assert_eq!(released.quality.len(), 2);
    stage.advance(secs(60));
    assert_eq!(stage.release(3), released);
    stage.kill();
    assert_eq!(stage.release(3), released);
    stage.advance(secs(61));
    assert!(stage.release(3).quality.is_empty());
    assert!(stage.kept.is_empty(), "nothing is left of it");
}

#[test]
fn a_late_wish_for_a_released_call_takes_no_ports() {
    let mut stage = Stage::new();
    let (alice, bob) = two_who_talk(&mut stage);
    stage.release(3);
    assert_eq!(stage.anchor(&conversation(1, Some(&alice), Some(&bob))), Anchored::Stale);
    assert!(stage.open.is_empty());
}

#[test]
fn too_few_ports_change_nothing() {
    let mut stage = Stage::with_legs(3);
    let (mut alice, bob) = two_who_talk(&mut stage);
    let mut wish = conversation(2, Some(&alice), Some(&bob));
    for leg in [2, 3] {
        wish.legs.push(contract::media::LegWish { leg, ..Default::default() });
    }
    assert!(matches!(stage.anchor(&wish), Anchored::Full { .. }));
    alice.speaks(&mut stage);
    assert_eq!(stage.sound_to(&bob).len(), 1);
}

#[test]
fn a_leg_that_is_wished_no_more_gives_its_ports_back() {
    let mut stage = Stage::new();
    let (alice, bob) = two_who_talk(&mut stage);
    let mut alone = conversation(2, Some(&alice), Some(&bob));
    alone.legs.truncate(1);
    assert_eq!(stage.connect(&alone).len(), 1);
    assert_eq!(stage.open.len(), 1);
}

#[test]
fn a_call_that_everybody_forgot_is_let_go() {
    let mut stage = Stage::new();
    two_who_talk(&mut stage);
    stage.advance(secs(4 * 3600 + 10));
    assert!(stage.open.is_empty());
    assert_eq!(stage.gauge("media_forgotten_total"), 1.0);
}

#[test]
fn a_session_that_was_left_and_is_wanted_again_stays() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    stage.connect(&conversation(9, Some(&alice), Some(&bob)));
    assert!(stage.leave(3, 8).quality.is_empty());
    alice.speaks(&mut stage);
    assert_eq!(stage.sound_to(&bob).len(), 1, "the release was overtaken");
    assert_eq!(stage.leave(3, 9).quality.len(), 2);
    assert_eq!(stage.open.len(), 0);
    stage.connect(&conversation(10, Some(&alice), Some(&bob)));
    assert_eq!(stage.open.len(), 2, "and it may come back");
}

#[test]
fn whoever_adopts_a_call_can_leave_its_session_even_if_it_knows_less() {
    let mut stage = Stage::new();
    let (alice, bob) = two_who_talk(&mut stage);
    stage.connect(&conversation(9, Some(&alice), Some(&bob)));
    assert_eq!(stage.leave(4, 5).quality.len(), 2);
}
