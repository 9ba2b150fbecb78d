use call::{Question, Route};
use contract::app::{Event, Instruction, Instructions};
use contract::media::{Happening, Sound};
use contract::record::Outcome;
use sip::Method;

use crate::phone::{ALICES_SDP, held};
use crate::scene::{Down, Scene, scene};

fn wants(position: &str, instructions: Vec<Instruction>) -> Instructions {
    Instructions { position: position.as_bytes().to_vec(), instructions }
}

fn welcome() -> Instruction {
    Instruction::Play { sounds: vec![Sound::Prompt { name: "welcome".into() }] }
}

fn calling_an_app() -> Scene {
    let mut scene = scene();
    scene.ways.insert("500".into(), Route::App { name: "echo".into() });
    scene.instructions.push_back(wants("begun", vec![Instruction::Answer, welcome()]));
    scene.alice().invites("500", Some(ALICES_SDP));
    scene
}

fn told(scene: &Scene) -> Vec<(u32, String, Event)> {
    let event = |question: &Question| match question {
        Question::App(it) => {
            Some((it.serial, String::from_utf8(it.position.clone()).unwrap(), it.event.clone()))
        }
        _ => None,
    };
    scene.asked.iter().filter_map(event).collect()
}

#[test]
fn an_app_answers_and_plays() {
    let mut scene = calling_an_app();
    assert_eq!(scene.alice().heard(), ["100", "200"]);
    let answer = scene.alice().last_sdp();
    assert!(answer.contains("m=audio 30000 RTP/AVP 0 8 101"), "{answer}");
    scene.alice().acks();
    let wish = scene.wish();
    assert_eq!(wish.legs.len(), 1);
    assert!(wish.legs[0].hear_digits && wish.legs[0].peer.is_none() && !wish.legs[0].held);
    assert_eq!(wish.legs[0].say.as_ref().unwrap().serial, 1);
    let offered = Event::Offered { caller: "alice".into(), dialed: "500".into() };
    assert_eq!(told(&scene), [(1, String::new(), offered), (2, "begun".into(), Event::Answered)]);
    scene.alice().hangs_up();
    let record = scene.record();
    assert_eq!((record.outcome, &*record.callee), (Outcome::Answered, "app:echo"));
}

#[test]
fn digits_and_played_are_told_once_and_in_order() {
    let mut scene = calling_an_app();
    scene.alice().acks();
    scene.instructions.push_back(wants("five", vec![welcome()]));
    scene.notices(0, Happening::Digit { digit: '5', serial: 1 });
    scene.notices(0, Happening::Digit { digit: '5', serial: 1 });
    scene.notices(0, Happening::Said { serial: 1 });
    assert_eq!(told(&scene).len(), 3, "what was said last is something else by now");
    scene.notices(0, Happening::Said { serial: 2 });
    scene.notices(0, Happening::Said { serial: 2 });
    let told = told(&scene);
    assert_eq!(told[2], (3, String::new(), Event::Digit { digit: '5' }));
    assert_eq!(told[3], (4, "five".into(), Event::Played));
    assert_eq!(told.len(), 4);
}

#[test]
fn a_digit_may_come_by_info() {
    let mut scene = calling_an_app();
    scene.alice().acks();
    scene.alice().sends_body(Method::Info, "application/dtmf-relay", "Signal=#\r\nDuration=100\r\n");
    assert_eq!(told(&scene).last().unwrap().2, Event::Digit { digit: '#' });
}

#[test]
fn an_app_hangs_up() {
    let mut scene = calling_an_app();
    scene.alice().acks();
    scene.instructions.push_back(wants("", vec![Instruction::HangUp]));
    scene.notices(0, Happening::Digit { digit: '1', serial: 1 });
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    assert_eq!(scene.record().cause, "the app hung up");
}

#[test]
fn an_app_refuses() {
    let mut scene = scene();
    scene.ways.insert("500".into(), Route::App { name: "echo".into() });
    scene.instructions.push_back(wants("", vec![Instruction::Refuse { status: 486 }]));
    scene.alice().invites("500", Some(ALICES_SDP));
    assert_eq!(scene.alice().heard(), ["100", "486"]);
    assert_eq!(scene.record().outcome, Outcome::Busy);
}

#[test]
fn an_app_that_does_not_respond_is_an_error_of_ours() {
    let mut scene = scene();
    scene.ways.insert("500".into(), Route::App { name: "echo".into() });
    scene.is_down.push(Down::Apps);
    scene.alice().invites("500", Some(ALICES_SDP));
    scene.passes(30);
    assert_eq!(scene.alice().heard(), ["100", "500"]);
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Failed, "the app did not respond"));
}

#[test]
fn a_caller_on_hold_is_answered_for_the_app() {
    let mut scene = calling_an_app();
    scene.alice().acks();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    assert!(scene.alice().last_sdp().contains("a=recvonly"));
    scene.alice().acks();
    assert_eq!(scene.state(), "held");
}

#[test]
fn a_caller_without_an_offer_gets_the_apps() {
    let mut scene = scene();
    scene.ways.insert("500".into(), Route::App { name: "echo".into() });
    scene.instructions.push_back(wants("begun", vec![Instruction::Answer]));
    scene.alice().invites("500", None);
    assert!(scene.alice().last_sdp().contains("m=audio 30000"));
    scene.alice().acks_with(Some(ALICES_SDP));
    assert_eq!(scene.wish().legs[0].remote_rtp, Some(([192, 0, 2, 1], 4000).into()));
    assert_eq!(told(&scene).last().unwrap().2, Event::Answered);
}

#[test]
fn an_app_that_knows_none_of_the_callers_codecs_does_not_answer() {
    let mut scene = scene();
    scene.ways.insert("500".into(), Route::App { name: "echo".into() });
    scene.instructions.push_back(wants("begun", vec![Instruction::Answer]));
    scene.alice().invites("500", Some(&ALICES_SDP.replace("RTP/AVP 0 8 101", "RTP/AVP 18")));
    assert_eq!(scene.alice().heard(), ["100", "488"]);
    assert_eq!(scene.record().cause, "no codec in common");
}
