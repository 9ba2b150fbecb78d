use contract::media::Happening;
use contract::record::Outcome;

use crate::scene::{calling, talking};

#[test]
fn no_audio_ends_the_call() {
    let mut scene = talking();
    scene.notices(1, Happening::Inactive);
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    assert_eq!(scene.bob().heard().last().unwrap(), "BYE");
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Answered, "no audio any more"));
}

#[test]
fn silence_while_it_rings_is_nothing() {
    let mut scene = calling();
    scene.bob().rings();
    scene.notices(0, Happening::Inactive);
    assert_eq!(scene.state(), "ringing");
}
