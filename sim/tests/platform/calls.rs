use sim::{Platform, millis, secs};
use sip::Status;

#[test]
fn two_phones_register_call_and_hear_each_other() {
    let platform = Platform::new(1);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(millis(100));
    assert!(call.is_ringing() && bob.is_ringing());
    bob.answer();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    platform.advance(secs(5));
    bob.hang_up();
    platform.come_to_rest();
    let record = call.record();
    assert_eq!((&*record.caller, &*record.callee, &*record.cause), ("alice", "bob", "callee hung up"));
    assert_eq!(record.quality.len(), 2);
    assert!(record.quality.iter().all(|leg| leg.mos.is_some_and(|mos| mos > 4.0)), "{record:?}");
}

#[test]
fn a_number_leads_to_its_user() {
    let platform = Platform::new(2);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("1002");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    alice.hang_up();
    platform.come_to_rest();
    assert_eq!(call.record().dialed, "1002");
}

#[test]
fn a_phone_behind_a_nat_is_heard() {
    let platform = Platform::new(3);
    let (alice, bob) = (platform.phone_behind_nat("alice"), platform.phone_behind_nat("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    bob.hang_up();
    platform.come_to_rest();
}

#[test]
fn an_app_answers_and_is_heard() {
    let platform = Platform::new(4);
    let alice = platform.phone("alice");
    let call = alice.invite("600");
    platform.advance(millis(200));
    assert!(call.is_up());
    assert!(call.has_two_way_audio(), "the app greets");
    alice.press("##");
    platform.advance(secs(3));
    assert!(call.is_over(), "twice # hangs up");
    platform.come_to_rest();
    assert_eq!((&*call.record().callee, &*call.record().cause), ("app:echo", "the app hung up"));
}

#[test]
fn a_held_call_is_taken_up_again() {
    let platform = Platform::new(5);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    alice.hold();
    platform.advance(secs(60));
    assert!(bob.is_held() && call.is_up(), "silence on hold is nothing");
    alice.resume();
    platform.advance(secs(1));
    assert!(!bob.is_held());
    assert!(call.has_two_way_audio());
    alice.hang_up();
    platform.come_to_rest();
}

#[test]
fn all_phones_of_a_user_ring_and_one_wins() {
    let platform = Platform::new(6);
    let alice = platform.phone("alice");
    let bobs = [platform.phone("bob"), platform.phone_behind_nat("bob"), platform.phone("bob")];
    let call = alice.invite("bob");
    platform.advance(secs(1));
    assert!(bobs.iter().all(|bob| bob.is_ringing()));
    bobs[1].answer();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    assert!(bobs[0].is_idle() && bobs[2].is_idle());
    alice.hang_up();
    platform.come_to_rest();
}

#[test]
fn nobody_answers_a_call_of_another_tenant() {
    let platform = Platform::new(7);
    let alice = platform.phone("alice");
    let blue = platform.blue_phone("zoe");
    let call = alice.invite("zoe");
    platform.advance(secs(1));
    assert!(blue.is_idle());
    assert_eq!(call.refused(), Some(Status::NOT_FOUND));
    platform.come_to_rest();
}

#[test]
fn a_call_ends_when_the_money_does() {
    let platform = Platform::new(8);
    let (dave, bob) = (platform.prepaid_phone("dave", 10_000), platform.phone("bob"));
    let call = dave.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(9));
    assert!(call.is_up());
    platform.advance(secs(3));
    assert!(call.is_over());
    platform.come_to_rest();
    let record = call.record();
    assert_eq!((&*record.cause, record.price.unwrap().micros), ("no credit left", 10_000));
    let another = dave.invite("bob");
    platform.advance(secs(1));
    assert_eq!(another.refused(), Some(Status::PAYMENT_REQUIRED));
    platform.come_to_rest();
}

#[test]
fn a_phone_that_dies_is_missed() {
    let platform = Platform::new(9);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(2));
    bob.dies();
    platform.advance(secs(25));
    assert!(call.is_over());
    platform.come_to_rest();
    assert_eq!(call.record().cause, "no audio any more");
}

#[test]
fn phones_talk_over_tcp() {
    let platform = Platform::new(10);
    let (alice, bob) = (platform.tcp_phone("alice"), platform.tcp_phone_behind_nat("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    alice.hang_up();
    platform.come_to_rest();
}
