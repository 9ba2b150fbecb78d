//! What offices are told of calls while they go on.

use contract::event::What;
use exchange::Settings;
use sip::Method;

use crate::calls::Pair;
use crate::phone::{request, response, seconds};
use crate::platform::Platform;

fn told(pair: &Pair) -> Vec<What> {
    pair.platform.office.events.iter().map(|event| event.what).collect()
}

fn with_events() -> Settings {
    Settings { events: true, ..Settings::default() }
}

fn hang_up(pair: &mut Pair, answer: &crate::platform::Sip) {
    let bye = pair.alice.in_dialog(Method::Bye, answer);
    let heard = pair.platform.hear(&bye);
    response(&heard, 200);
    let to_bob = request(&heard, Method::Bye).clone();
    pair.platform.hear(&pair.bob.answers(&to_bob, 200, ""));
}

#[test]
fn what_happens_in_a_call_is_told_as_it_happens_and_once() {
    let mut pair = Pair::new(Platform::with(1, with_events()));
    let (_, answer) = pair.talk();
    assert_eq!(told(&pair), [What::Began, What::Rang, What::Answered]);
    pair.platform.pass(seconds(5));
    pair.platform.restart();
    pair.platform.pass(seconds(5));
    hang_up(&mut pair, &answer);
    pair.platform.pass(seconds(60));
    assert_eq!(
        told(&pair),
        [What::Began, What::Rang, What::Answered, What::Ended],
        "a restart tells nothing anew"
    );
    let events = &pair.platform.office.events;
    assert!(events.is_sorted_by(|one, next| one.serial < next.serial && one.call == next.call));
    let ended = &events[3];
    assert_eq!(
        (ended.caller.as_str(), ended.dialed.as_str(), ended.callee.as_str()),
        ("alice", "bob", "bob")
    );
    let record = &pair.platform.office.records[0];
    assert_eq!((record.id, record.ended), (ended.call, ended.at));
}

#[test]
fn nobody_is_told_where_nobody_wants_to_hear() {
    let mut pair = Pair::new(Platform::new());
    let (_, answer) = pair.talk();
    hang_up(&mut pair, &answer);
    assert_eq!(told(&pair), []);
}
