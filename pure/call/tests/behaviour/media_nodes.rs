//! A media node dies, and a call is moved to another one, in whatever state it is.

use call::{Call, Moving, Question, Route};
use contract::NodeId;
use contract::app::{Instruction, Instructions};
use contract::media::{Anchor, Happening};
use contract::record::Outcome;
use sip::Method;

use crate::phone::{ALICES_SDP, BOBS_SDP, held};
use crate::scene::{Down, Scene, ring, scene};

/// There are media nodes 1, 2 and 3, and nothing has happened.
pub(crate) fn several() -> Scene {
    let mut scene = scene();
    scene.media_is(&[1, 2, 3]);
    scene
}

pub(crate) fn calling() -> Scene {
    let mut scene = several();
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene
}

fn talking() -> Scene {
    let mut scene = calling();
    scene.bob().rings();
    scene.bob().answers();
    scene.alice().acks();
    scene
}

/// An answer of alice's or bob's to an offer.
pub(crate) fn answer(sdp: &str, direction: &str) -> String {
    sdp.replace(" 1 1 IN", " 1 7 IN").replace("sendrecv", direction)
}

pub(crate) fn both_answer(scene: &mut Scene) {
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
}

/// Whom the last wish went to.
fn asked_last(scene: &Scene) -> u16 {
    let asked = scene.asked.iter().rev().find_map(|question| match question {
        Question::Anchor(at, _) => Some(at.0),
        _ => None,
    });
    asked.expect("no audio was wished")
}

/// Node 1 dies for ever, and everybody is told.
pub(crate) fn node_1_dies(scene: &mut Scene) {
    scene.is_down.push(Down::Node(NodeId(1)));
    scene.media_is(&[2, 3]);
}

pub(crate) fn version(sdp: &str) -> u64 {
    let origin = sdp.lines().find(|line| line.starts_with("o=")).expect("an origin");
    origin.split(' ').nth(2).expect("a version").parse().expect("a number")
}

pub(crate) fn is_at(sdp: &str, node: u16, port: u16) -> bool {
    sdp.contains(&format!("IN IP4 203.0.113.{}\r\nt=", 1 + node)) && sdp.contains(&format!("m=audio {port} "))
}

#[test]
fn every_question_of_a_call_goes_to_the_node_that_holds_its_audio() {
    let mut scene = talking();
    scene.alice().hangs_up();
    let nodes = scene.asked.iter().filter_map(|question| match question {
        Question::Anchor(at, _) | Question::Release(at, _) | Question::Leave(at, _) => Some(at.0),
        _ => None,
    });
    assert!(
        nodes.clone().count() == 3 && nodes.clone().all(|node| node == 1),
        "{:?}",
        nodes.collect::<Vec<_>>()
    );
    scene.record();
}

#[test]
fn on_a_platform_that_is_alone_nothing_is_directed() {
    let mut scene = scene();
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert_eq!(asked_last(&scene), 0);
}

#[test]
fn the_media_node_dies_while_two_talk() {
    let mut scene = talking();
    let (told_alice, told_bob) = (scene.alice().last_sdp(), scene.bob().last_sdp());
    let before = scene.wish();
    node_1_dies(&mut scene);
    assert_eq!(asked_last(&scene), 2);
    assert_eq!(scene.wish(), Anchor { version: before.version + 1, ..before });

    let (alice, bob) = (scene.alice().last_sdp(), scene.bob().last_sdp());
    assert_eq!(scene.alice().heard().last().unwrap(), "INVITE");
    assert_eq!(scene.bob().heard().last().unwrap(), "INVITE");
    assert!(is_at(&alice, 2, 30000) && version(&alice) == version(&told_alice) + 1, "{alice}");
    assert!(is_at(&bob, 2, 30002) && version(&bob) == version(&told_bob) + 1, "{bob}");
    assert!(bob.contains("RTP/AVP 0\r\n"), "what was agreed, and nothing else: {bob}");
    both_answer(&mut scene);
    assert_eq!(scene.alice().heard().last().unwrap(), "ACK");
    assert_eq!(scene.bob().heard().last().unwrap(), "ACK");
    assert_eq!(scene.state(), "answered");
    assert_eq!(scene.left(), [1], "maybe it hears that it holds nothing any more");
    scene.bob().hangs_up();
    assert_eq!(scene.record().cause, "callee hung up");
}

#[test]
fn a_node_that_never_answers_again_delays_no_record() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    both_answer(&mut scene);
    scene.alice().hangs_up();
    assert_eq!(scene.records.len(), 1);
    let asked = scene.left().len();
    scene.record();
    assert!(scene.left().iter().all(|node| *node == 1));
    assert!(
        (asked..=asked + 5).contains(&scene.left().len()),
        "and is asked a few times: {:?}",
        scene.left()
    );
}

#[test]
fn the_media_node_dies_and_the_phones_answer_one_after_the_other() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    assert_eq!(scene.left(), Vec::<u16>::new(), "alice does not know yet");
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    assert_eq!(scene.alice().heard().last().unwrap(), "491", "both offered at once");
    scene.alice().responds(491, None);
    scene.passes(5);
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000), "she is told again");
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    assert_eq!(scene.left(), [1]);
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    assert!(scene.bob().last_sdp().contains("a=sendonly"), "and holds bob now");
}

#[test]
fn the_media_node_dies_while_one_holds_the_other() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    scene.alice().acks();
    node_1_dies(&mut scene);
    let (alice, bob) = (scene.alice().last_sdp(), scene.bob().last_sdp());
    assert!(is_at(&alice, 2, 30000) && alice.contains("a=recvonly"), "{alice}");
    assert!(is_at(&bob, 2, 30002) && bob.contains("a=sendonly"), "{bob}");
    scene.alice().answers_with(&answer(ALICES_SDP, "sendonly"));
    scene.bob().answers_with(&answer(BOBS_SDP, "recvonly"));
    assert_eq!(scene.state(), "held");
    assert!(!scene.wish().legs[0].held && scene.wish().legs[1].held);
}

#[test]
fn the_media_node_dies_while_a_phone_rings() {
    let mut scene = calling();
    scene.bob().rings();
    node_1_dies(&mut scene);
    assert_eq!(scene.bob().heard(), ["INVITE"], "who rings can't be told");
    scene.bob().answers();
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000), "alice never hears of the first");
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "INVITE"], "bob is told at once");
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002));
    scene.alice().acks();
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    assert_eq!(scene.alice().heard(), ["100", "180", "200"]);
    assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
}

#[test]
fn the_media_node_dies_while_the_caller_hears_early_media() {
    let mut scene = calling();
    scene.bob().progresses(183, Some(BOBS_SDP));
    assert!(is_at(&scene.alice().last_sdp(), 1, 30000));
    node_1_dies(&mut scene);
    scene.alice().refuses(500);
    scene.bob().answers();
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002), "bob need not wait for alice");
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    scene.alice().acks();
    assert_eq!(scene.alice().heard().last().unwrap(), "INVITE", "she may hold fast to what she heard first");
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000));
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    assert_eq!(scene.left(), [1]);
}

#[test]
fn a_phone_that_is_called_after_the_death_hears_of_the_new_node_only() {
    let mut scene = several();
    let phones = [("sip:a@192.0.2.2", 1000), ("sip:b@192.0.2.3", 500)];
    scene.ways.insert("bob".into(), ring("bob", &phones));
    scene.alice().invites("bob", Some(ALICES_SDP));
    node_1_dies(&mut scene);
    scene.phone(1).refuses(486);
    assert!(is_at(&scene.phone(2).last_sdp(), 2, 30002));
    scene.phone(2).answers();
    scene.alice().acks();
    assert_eq!(scene.phone(2).heard(), ["INVITE", "ACK"]);
    assert_eq!(scene.left(), [1]);
}

#[test]
fn the_media_node_dies_while_the_callees_reinvite_is_pending() {
    let mut scene = talking();
    scene.bob().reinvites(Some(&held(BOBS_SDP, "sendonly")));
    node_1_dies(&mut scene);
    let bob = scene.bob().last_sdp();
    assert!(is_at(&bob, 2, 30002) && bob.contains("a=recvonly"), "bob's answer says where: {bob}");
    assert_eq!(scene.bob().heard().last().unwrap(), "200", "and does not wait for alice's");
    scene.bob().acks();
    assert!(is_at(&scene.alice().last_sdp(), 1, 30000), "who can't be told");
    scene.alice().answers_with(&as_offered(&held(ALICES_SDP, "recvonly")));
    let alice = scene.alice().last_sdp();
    assert!(is_at(&alice, 2, 30000) && alice.contains("a=sendonly"), "alice is told by an offer: {alice}");
    scene.alice().answers_with(&as_offered(&held(ALICES_SDP, "recvonly")));
    assert_eq!((scene.state().as_str(), scene.left()), ("held", vec![1]));
    assert_eq!(scene.bob().heard().iter().filter(|it| *it == "INVITE").count(), 1, "bob is told once");
}

/// Of what bob's phone offers only.
fn as_offered(sdp: &str) -> String {
    let few = sdp.replace("RTP/AVP 0 8 101", "RTP/AVP 0").replace("a=rtpmap:8 PCMA/8000\r\n", "");
    few.replace("a=rtpmap:101 telephone-event/8000\r\n", "")
}

#[test]
fn the_media_node_dies_while_the_other_phone_is_slow_to_be_held() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    node_1_dies(&mut scene);
    let alice = scene.alice().last_sdp();
    assert_eq!(scene.alice().heard().last().unwrap(), "200");
    assert!(is_at(&alice, 2, 30000) && alice.contains("a=recvonly"), "{alice}");
    let wish = scene.wish();
    assert!(!wish.legs[0].held, "what alice says reaches bob, who knows nothing of it");
    assert_eq!(wish.legs[1].remote_rtp, Some(([192, 0, 2, 2], 5000).into()));
    scene.alice().acks();
    scene.is_killed();
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002), "he is told as soon as he can be");
    scene.bob().answers_with(&answer(BOBS_SDP, "recvonly"));
    assert_eq!((scene.state().as_str(), scene.left()), ("held", vec![1]));
    assert_eq!(scene.alice().heard().iter().filter(|it| *it == "INVITE").count(), 0, "she was told once");
}

#[test]
fn the_other_phone_says_otherwise_than_was_said_for_it() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&ALICES_SDP.replace(" 1 1 IN", " 1 2 IN").replace("4000", "4004")));
    node_1_dies(&mut scene);
    assert!(scene.alice().last_sdp().contains("a=sendrecv"));
    scene.alice().acks();
    scene.bob().answers_with(&held(BOBS_SDP, "inactive"));
    assert_eq!(scene.alice().heard().last().unwrap(), "INVITE");
    assert!(scene.alice().last_sdp().contains("a=inactive"));
    scene.alice().answers_with(&answer(ALICES_SDP, "inactive"));
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002), "then bob hears where he is");
    scene.bob().answers_with(&answer(BOBS_SDP, "inactive"));
    assert_eq!(scene.left(), [1]);
}

#[test]
fn the_other_phone_refuses_what_was_accepted_for_it() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    node_1_dies(&mut scene);
    scene.alice().acks();
    scene.bob().refuses(488);
    assert_eq!(scene.alice().heard().last().unwrap(), "200", "she holds him all the same");
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002));
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    assert_eq!((scene.state().as_str(), scene.left()), ("held", vec![1]));
}

#[test]
fn what_nobody_can_answer_for_the_other_phone_waits_for_it() {
    let mut scene = talking();
    let other = ALICES_SDP.replace(" 1 1 IN", " 1 2 IN").replace("RTP/AVP 0 8 101", "RTP/AVP 8 101");
    scene.alice().reinvites(Some(&other.replace("a=rtpmap:0 PCMU/8000\r\n", "")));
    node_1_dies(&mut scene);
    assert_eq!(scene.alice().heard().last().unwrap(), "100", "bob never said that he knows PCMA");
    scene.bob().refuses(488);
    assert_eq!(scene.alice().heard().iter().rev().take(2).collect::<Vec<_>>(), ["INVITE", "488"]);
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000) && is_at(&scene.bob().last_sdp(), 2, 30002));
}

#[test]
fn the_media_node_dies_before_the_ack_of_a_call_without_an_offer() {
    let mut scene = several();
    scene.alice().invites("bob", None);
    scene.bob().answers();
    node_1_dies(&mut scene);
    scene.alice().acks_with(Some(ALICES_SDP));
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002), "bob's answer says where");
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000), "alice is told by an offer");
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
}

#[test]
fn the_media_node_dies_while_the_call_is_being_given_up() {
    let mut scene = calling();
    scene.bob().rings();
    scene.is_down.push(Down::Billing);
    scene.alice().cancels();
    let wishes = asked_last(&scene);
    node_1_dies(&mut scene);
    assert_eq!((wishes, asked_last(&scene)), (1, 1), "there is nothing to build");
    scene.is_down.clear();
    assert_eq!(scene.record().outcome, Outcome::Cancelled);
}

#[test]
fn the_media_node_dies_unheard_while_a_call_ends() {
    let mut scene = talking();
    scene.is_down.push(Down::Node(NodeId(1)));
    scene.alice().hangs_up();
    assert_eq!(scene.records.len(), 0, "it could still say how it sounded");
    node_1_dies(&mut scene);
    assert_eq!(scene.records.len(), 1, "who is gone is not waited for");
    scene.record();
}

#[test]
fn the_media_node_dies_before_it_has_answered() {
    let mut scene = several();
    scene.is_down.push(Down::Node(NodeId(1)));
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert_eq!(scene.bob().heard(), Vec::<String>::new());
    node_1_dies(&mut scene);
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002));
    assert_eq!(scene.left(), [1], "it may have built something all the same");
    assert!(scene.asked.iter().all(|it| !matches!(it, Question::Leave(_, release) if release.version >= 2)));
}

#[test]
fn a_node_that_does_not_answer_is_asked_three_times_and_then_another() {
    let mut scene = several();
    scene.is_down.push(Down::Node(NodeId(1)));
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.passes_millis(2099);
    let asked = scene.asked.iter().filter(|it| matches!(it, Question::Anchor(..))).count();
    assert_eq!((asked, asked_last(&scene)), (3, 1));
    scene.passes_millis(1);
    assert_eq!(asked_last(&scene), 2);
    assert_eq!(scene.bob().heard(), ["INVITE"]);
}

#[test]
fn when_no_node_answers_the_call_fails() {
    let mut scene = several();
    scene.is_down.push(Down::Media);
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.passes(20);
    assert_eq!(scene.alice().heard().last().unwrap(), "503");
    assert_eq!(asked_last(&scene), 3);
    assert_eq!(scene.record().cause, "media could not be reached");
}

#[test]
fn a_node_without_ports_sends_the_call_elsewhere() {
    let mut scene = several();
    scene.full.push(NodeId(1));
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002));
    let mut scene = several();
    scene.full.extend([NodeId(1), NodeId(2), NodeId(3)]);
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert_eq!(scene.record().cause, "no media port is free");
}

#[test]
fn when_the_second_node_dies_too_a_third_one_is_found() {
    let mut scene = talking();
    scene.is_down.push(Down::Node(NodeId(2)));
    node_1_dies(&mut scene);
    scene.media_is(&[3]);
    assert!(is_at(&scene.alice().last_sdp(), 3, 30000) && is_at(&scene.bob().last_sdp(), 3, 30002));
    both_answer(&mut scene);
    assert_eq!(scene.left(), [2], "which may have built something, unheard; and then 1");
    scene.passes(30);
    assert_eq!(*scene.left().last().unwrap(), 1);
}

#[test]
fn the_second_node_dies_while_the_phones_are_told_of_it() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    scene.is_down.push(Down::Node(NodeId(2)));
    scene.media_is(&[3]);
    both_answer(&mut scene);
    assert!(is_at(&scene.alice().last_sdp(), 3, 30000) && is_at(&scene.bob().last_sdp(), 3, 30002));
    both_answer(&mut scene);
    assert_eq!(scene.alice().heard().iter().filter(|it| *it == "INVITE").count(), 2);
    assert_eq!(scene.state(), "answered");
}

#[test]
fn as_long_as_no_node_is_there_the_call_waits_for_one() {
    let mut scene = talking();
    scene.is_down.push(Down::Media);
    scene.media_is(&[2]);
    scene.passes(20);
    assert_eq!(scene.state(), "answered");
    scene.is_down.clear();
    scene.passes(6);
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000));
}

#[test]
fn a_phone_that_refuses_keeps_its_call() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    scene.alice().refuses(488);
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
    scene.passes(10);
    assert_eq!(
        scene.alice().heard().iter().filter(|it| *it == "INVITE").count(),
        1,
        "she is not asked again"
    );
    scene.alice().reinvites(Some(ALICES_SDP));
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000), "but hears it when she refreshes her session");
}

#[test]
fn a_phone_that_always_has_something_else_in_hand_is_not_asked_for_ever() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    let offers = |scene: &mut Scene| scene.alice().heard().iter().filter(|it| *it == "INVITE").count();
    let mut before = 0;
    for _ in 0..100 {
        let now = offers(&mut scene);
        if now > before {
            scene.alice().responds(491, None);
        }
        before = now;
        scene.passes(5);
    }
    assert_eq!(before, 36, "six times, and as often after glare as always");
    assert_eq!((scene.state().as_str(), scene.left().is_empty()), ("answered", false));
}

#[test]
fn a_phone_that_knows_nothing_of_the_call_ends_it() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    scene.bob().refuses(481);
    assert!(scene.alice().heard().contains(&"BYE".to_owned()));
    assert_eq!(scene.record().cause, "callee hung up");
}

#[test]
fn a_call_is_moved_and_its_former_session_ends_when_both_phones_have_answered() {
    let mut scene = talking();
    assert_eq!(scene.is_moved(3), Moving::Begun);
    assert!(is_at(&scene.alice().last_sdp(), 3, 30000) && is_at(&scene.bob().last_sdp(), 3, 30002));
    assert_eq!(scene.is_moved(3), Moving::Begun, "wanting it twice is wanting it once");
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    assert_eq!(scene.left(), Vec::<u16>::new());
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    assert_eq!(scene.left(), [1]);
    scene.alice().hangs_up();
    let record = scene.record();
    assert_eq!(record.quality[0].received, 100, "what both nodes counted is in the record");
    assert_eq!(scene.asked.iter().filter(|it| matches!(it, Question::Release(NodeId(3), _))).count(), 1);
}

#[test]
fn a_phone_that_refuses_to_move_stays_and_so_does_the_call() {
    let mut scene = talking();
    scene.is_moved(3);
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    scene.bob().refuses(488);
    assert_eq!(asked_last(&scene), 1);
    assert!(is_at(&scene.alice().last_sdp(), 1, 30000), "alice is brought back");
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    assert_eq!(scene.left(), [3]);
    assert_eq!(scene.bob().heard().iter().filter(|it| *it == "INVITE").count(), 2, "bob is left alone");
}

#[test]
fn a_call_that_is_wanted_where_nobody_answers_stays_where_it_is() {
    let mut scene = talking();
    scene.is_down.push(Down::Node(NodeId(2)));
    scene.is_moved(2);
    scene.passes(3);
    assert_eq!(asked_last(&scene), 1);
    assert_eq!(scene.alice().heard(), ["100", "180", "200"], "nobody notices");
    let mut scene = talking();
    scene.full.push(NodeId(2));
    scene.is_moved(2);
    assert_eq!(asked_last(&scene), 1);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
}

#[test]
fn a_call_is_moved_while_it_rings_and_before_anything_is_known_of_it() {
    let mut scene = calling();
    scene.is_moved(3);
    scene.bob().answers();
    assert!(is_at(&scene.alice().last_sdp(), 3, 30000) && is_at(&scene.bob().last_sdp(), 3, 30002));
    let mut scene = several();
    scene.is_down.push(Down::Routing);
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.is_moved(3);
    scene.is_down.clear();
    scene.passes(2);
    assert_eq!(asked_last(&scene), 3);
    assert_eq!(scene.left(), Vec::<u16>::new());
}

#[test]
fn a_policy_leaves_a_call_alone_until_both_phones_could_be_told() {
    let mut scene = calling();
    assert!(!scene.call().can_move(), "who rings can't be told");
    scene.bob().answers();
    assert!(!scene.call().can_move(), "alice has not acknowledged it");
    scene.alice().acks();
    assert!(scene.call().can_move());
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    assert!(!scene.call().can_move(), "bob has not agreed to be held");
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert!(!scene.call().can_move(), "alice has not acknowledged that");
    scene.alice().acks();
    assert!(scene.call().can_move());
    scene.is_moved(3);
    assert!(!scene.call().can_move(), "once is enough");
    scene.alice().answers_with(&answer(ALICES_SDP, "sendonly"));
    scene.bob().answers_with(&answer(BOBS_SDP, "recvonly"));
    assert!(scene.call().can_move());
}

#[test]
fn a_call_that_is_moved_while_one_asks_to_be_held_tells_both_as_soon_as_that_is_over() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.is_moved(3);
    let offers = |scene: &mut Scene| scene.bob().heard().iter().filter(|it| *it == "INVITE").count();
    assert_eq!(offers(&mut scene), 2, "bob is at hers");
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert!(is_at(&scene.alice().last_sdp(), 3, 30000), "her answer says where");
    assert_eq!(offers(&mut scene), 3, "and bob hears it at once");
    assert!(is_at(&scene.bob().last_sdp(), 3, 30002) && scene.bob().last_sdp().contains("sendonly"));
    scene.alice().acks();
    scene.bob().answers_with(&answer(BOBS_SDP, "recvonly"));
    assert_eq!((scene.state().as_str(), scene.left()), ("held", vec![1]));
}

#[test]
fn a_call_whose_audio_does_not_pass_us_is_not_moved() {
    let mut scene = several();
    scene.caller.direct_media = true;
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.bob().answers();
    scene.alice().acks();
    assert_eq!(scene.is_moved(2), Moving::Direct);
    scene.alice().hangs_up();
    assert_eq!(scene.is_moved(2), Moving::Over);
}

#[test]
fn a_call_that_is_over_has_no_audio_to_be_moved() {
    let mut scene = talking();
    assert_eq!(scene.call().view().media, NodeId(1));
    scene.is_down.push(Down::Node(NodeId(1)));
    scene.alice().hangs_up();
    assert_eq!(
        (scene.state().as_str(), scene.call().view().media),
        ("ending", NodeId(1)),
        "its ports are not back"
    );
    scene.is_down.clear();
    scene.passes(5);
    assert_eq!((scene.state().as_str(), scene.call().view().media), ("ending", NodeId(0)));
}

#[test]
fn who_asks_whether_audio_is_wanted_hears_it_if_it_is_elsewhere() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    both_answer(&mut scene);
    scene.passes(60);
    let before = scene.left().len();
    scene.is_down.clear();
    scene.notices_at(2, 0, Happening::Idle);
    assert_eq!(scene.left()[before..], [], "it is wanted there");
    scene.notices_at(1, 0, Happening::Idle);
    assert_eq!(scene.left()[before..], [1], "its ports are wanted back");
    assert_eq!(scene.state(), "answered");
}

#[test]
fn a_ghosts_silence_ends_no_call_and_the_ghost_is_told() {
    let mut scene = talking();
    node_1_dies(&mut scene);
    both_answer(&mut scene);
    scene.passes(60);
    let before = scene.left().len();
    scene.is_down.clear();
    scene.notices_at(1, 0, Happening::Inactive);
    assert_eq!(scene.state(), "answered");
    assert_eq!(scene.left()[before..], [1], "its ports are wanted back");
    scene.notices_at(2, 0, Happening::Inactive);
    assert_eq!(scene.record().cause, "no audio any more", "but that of the new node counts");
}

fn at_an_app() -> Scene {
    let mut scene = several();
    scene.ways.insert("500".into(), Route::App { name: "echo".into() });
    let instructions = vec![Instruction::Answer];
    scene.instructions.push_back(Instructions { position: b"begun".to_vec(), instructions });
    scene.alice().invites("500", Some(ALICES_SDP));
    scene
}

#[test]
fn the_media_node_dies_while_an_app_has_the_call() {
    let mut scene = at_an_app();
    scene.alice().acks();
    scene.notices_at(1, 0, Happening::Digit { digit: '7', serial: 1 });
    node_1_dies(&mut scene);
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000));
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    assert_eq!(scene.alice().heard().last().unwrap(), "ACK");
    let told = |scene: &Scene| scene.asked.iter().filter(|it| matches!(it, Question::App(_))).count();
    let before = told(&scene);
    scene.notices_at(2, 0, Happening::Digit { digit: '5', serial: 1 });
    assert_eq!(told(&scene), before + 1, "the new node counts digits from 1");
    assert_eq!(scene.left(), [1]);
}

#[test]
fn the_media_node_dies_before_the_ack_of_an_apps_call() {
    let mut scene = at_an_app();
    node_1_dies(&mut scene);
    assert_eq!(scene.alice().heard(), ["100", "200"], "she can't be told before her ACK");
    scene.alice().acks();
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000));
    scene.alice().refuses(488);
    assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
}

#[test]
fn our_process_dies_while_the_audio_moves() {
    let mut scene = talking();
    scene.is_down.push(Down::Node(NodeId(2)));
    node_1_dies(&mut scene);
    scene.is_killed();
    scene.is_down = vec![Down::Node(NodeId(1))];
    scene.passes(1);
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000));
    scene.is_killed();
    both_answer(&mut scene);
    scene.is_killed();
    assert_eq!(scene.alice().heard(), ["100", "180", "200", "INVITE", "ACK"], "told once");
    scene.bob().sends(Method::Bye, None);
    assert_eq!(scene.record().cause, "callee hung up");
}

#[test]
fn a_snapshot_of_before_there_were_several_nodes_finds_its_session() {
    let old = include_bytes!("../golden/2-talking.call");
    let mut scene = scene();
    scene.call = Some(Call::restore(old).unwrap());
    scene.now = scene.call().view().started;
    scene.media_is(&[0, 2]);
    assert_eq!(scene.call().media(), NodeId(0));
    scene.is_moved(2);
    assert_eq!(scene.call().media(), NodeId(2));
    assert!(is_at(&scene.alice().last_sdp(), 2, 30000));
}
