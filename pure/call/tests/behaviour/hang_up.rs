use contract::record::Outcome;

use crate::scene::{calling, talking};

#[test]
fn an_operator_ends_a_call() {
    let mut scene = talking();
    scene.hang_up("fraud suspected");
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    assert_eq!(scene.bob().heard().last().unwrap(), "BYE");
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Answered, "fraud suspected"));
}

#[test]
fn an_operator_ends_a_call_that_rings() {
    let mut scene = calling();
    scene.bob().rings();
    scene.hang_up("");
    assert_eq!(scene.alice().heard().last().unwrap(), "480");
    assert_eq!(scene.bob().heard(), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(scene.record().cause, "hung up by the operator");
}
