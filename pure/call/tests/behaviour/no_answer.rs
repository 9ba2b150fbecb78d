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
