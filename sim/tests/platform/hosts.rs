//! Media hosts die for ever, and calls move between them.

use sim::{CallView, Phone, Platform, millis, secs};

fn talking(seed: u64) -> (Platform, Phone, Phone, CallView) {
    let platform = Platform::with_media(seed, 2, 3);
    let (alice, bob) = (platform.phone("alice"), platform.phone_behind_nat("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    (platform, alice, bob, call)
}

#[test]
fn a_media_host_dies_and_its_call_goes_on_elsewhere() {
    let (platform, alice, _, call) = talking(1);
    assert_eq!(platform.sessions(), [1, 0, 0]);
    platform.media_host_dies(1);
    platform.advance(secs(2));
    assert_eq!(platform.sessions(), [0, 1, 0]);
    assert!(call.has_two_way_audio());
    assert!(call.longest_gap() < millis(1200), "{:?}", call.longest_gap());
    alice.hang_up();
    platform.come_to_rest();
    assert_eq!(call.record().cause, "caller hung up");
}

#[test]
fn one_media_host_after_another_dies_and_the_last_one_has_the_call() {
    let (platform, _, bob, call) = talking(2);
    platform.media_host_dies(1);
    platform.advance(secs(3));
    platform.media_host_dies(2);
    platform.advance(secs(3));
    assert_eq!(platform.sessions(), [0, 0, 1]);
    assert!(call.has_two_way_audio());
    bob.hang_up();
    platform.come_to_rest();
}

#[test]
fn a_media_host_dies_while_the_phone_rings() {
    let platform = Platform::with_media(3, 1, 2);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    platform.media_host_dies(1);
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    assert_eq!(platform.sessions(), [0, 1]);
    alice.hang_up();
    platform.come_to_rest();
}

#[test]
fn a_media_host_dies_while_the_callee_is_heard_and_has_not_answered() {
    let platform = Platform::with_media(7, 2, 2);
    let (alice, bob) = (platform.phone("alice"), platform.phone_behind_nat("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.speak_early();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    platform.media_host_dies(1);
    platform.advance(secs(2));
    assert!(!call.is_up() && call.has_two_way_audio(), "both were told by UPDATE");
    assert!(call.longest_gap() < millis(1200), "{:?}", call.longest_gap());
    bob.answer();
    platform.advance(secs(1));
    assert!(call.is_up() && call.has_two_way_audio());
    assert_eq!(platform.sessions(), [0, 1]);
    alice.hang_up();
    platform.come_to_rest();
    assert_eq!(call.record().cause, "caller hung up");
}

#[test]
fn a_media_host_and_the_signalling_process_die_together() {
    let (platform, alice, bob, call) = talking(4);
    bob.hold();
    platform.advance(secs(1));
    platform.media_host_dies(1);
    platform.kill_signalling();
    platform.advance(secs(3));
    assert!(alice.is_held());
    bob.resume();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    alice.hang_up();
    platform.come_to_rest();
    assert_eq!(platform.records().len(), 1);
}

#[test]
fn an_app_goes_on_on_another_media_host() {
    let platform = Platform::with_media(5, 1, 2);
    let alice = platform.phone("alice");
    let call = alice.invite("600");
    platform.advance(secs(2));
    platform.media_host_dies(1);
    platform.advance(secs(2));
    assert!(call.is_up());
    assert_eq!(platform.sessions(), [0, 1]);
    alice.press("7");
    platform.advance(secs(2));
    alice.hang_up();
    platform.come_to_rest();
}

#[test]
fn a_call_is_moved_and_nobody_hears_it() {
    let (platform, alice, _, call) = talking(6);
    platform.move_call(3);
    platform.advance(secs(2));
    assert_eq!(platform.sessions(), [0, 0, 1], "what was left is released");
    assert!(call.has_two_way_audio());
    assert!(call.longest_gap() < millis(100), "{:?}", call.longest_gap());
    alice.hang_up();
    platform.come_to_rest();
    let received = call.record().quality[0].received;
    assert!(received > 150, "both hosts' packets are in the record: {received}");
}
