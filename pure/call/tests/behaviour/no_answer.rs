use contract::record::Outcome;

use crate::scene::calling;

#[test]
fn nobody_answers_in_time() {
    let mut scene = calling();
    scene.bob().rings();
    scene.passes(59);
    assert_eq!(scene.alice().heard(), ["100", "180"]);
    scene.passes(1);
    assert_eq!(scene.alice().heard(), ["100", "180", "480"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "CANCEL", "ACK"]);
    let record = scene.record();
    assert_eq!((record.outcome, record.status, &*record.cause), (Outcome::NoAnswer, 480, "no answer"));
}

#[test]
fn a_phone_is_told_how_long_to_ring_at_most() {
    let mut scene = calling();
    assert_eq!(scene.bob().last().expires().unwrap(), Some(60));
}
