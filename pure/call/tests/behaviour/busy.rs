use contract::record::Outcome;

use crate::scene::calling;

#[test]
fn the_phone_is_busy() {
    let mut scene = calling();
    scene.bob().refuses(486);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    assert_eq!(scene.alice().heard(), ["100", "486"]);
    let record = scene.record();
    assert_eq!((record.outcome, record.status, &*record.cause), (Outcome::Busy, 486, "busy"));
    assert_eq!(record.released, record.reserved, "nothing was talked, all goes back");
}

#[test]
fn the_phone_declines() {
    let mut scene = calling();
    scene.bob().rings();
    scene.bob().refuses(603);
    assert_eq!(scene.alice().heard(), ["100", "180", "603"]);
    assert_eq!(scene.record().cause, "declined");
}
