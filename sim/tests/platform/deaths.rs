use sim::{CallView, Phone, Platform, millis, secs};

fn talking(seed: u64) -> (Platform, Phone, Phone, CallView) {
    let platform = Platform::new(seed);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    (platform, alice, bob, call)
}

#[test]
fn signalling_dies_while_two_talk_and_nobody_hears_it() {
    let (platform, alice, _, call) = talking(1);
    platform.kill_signalling();
    assert!(call.has_two_way_audio());
    platform.advance(secs(10));
    assert_eq!(platform.signalling_lives(), 2);
    assert!(call.longest_gap() < millis(30), "{:?}", call.longest_gap());
    alice.hang_up();
    platform.come_to_rest();
    assert_eq!(call.record().cause, "caller hung up");
}

#[test]
fn media_dies_while_two_talk_and_comes_back_with_the_same_ports() {
    let (platform, _, bob, call) = talking(2);
    platform.kill_media();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    assert!(call.longest_gap() < millis(100), "{:?}", call.longest_gap());
    bob.hang_up();
    platform.come_to_rest();
    assert!(call.record().quality[0].received > 40);
}

#[test]
fn signalling_dies_at_every_stage_of_a_call() {
    for stage in 0..6 {
        let platform = Platform::new(100 + stage);
        let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
        let killed = |at: u64| {
            if at == stage {
                platform.kill_signalling();
                platform.advance(millis(100));
            }
        };
        let call = alice.invite("bob");
        // Before 180, while the questions are open.
        platform.advance(millis(12));
        killed(0);
        platform.advance(secs(1));
        killed(1);
        bob.answer();
        platform.advance(millis(7));
        killed(2);
        platform.advance(secs(2));
        assert!(call.has_two_way_audio(), "stage {stage}");
        alice.hold();
        platform.advance(millis(7));
        killed(3);
        platform.advance(secs(1));
        assert!(bob.is_held(), "stage {stage}");
        killed(4);
        alice.resume();
        platform.advance(secs(1));
        assert!(call.has_two_way_audio(), "stage {stage}");
        alice.hang_up();
        platform.advance(millis(6));
        killed(5);
        platform.come_to_rest();
        assert_eq!(platform.records().len(), 1);
        assert_eq!(platform.signalling_lives(), 2, "stage {stage}");
    }
}

#[test]
fn a_call_that_ends_while_nobody_keeps_records_is_recorded_later() {
    let (platform, alice, _, call) = talking(3);
    platform.office_is_away(secs(30));
    platform.advance(secs(1));
    alice.hang_up();
    platform.advance(secs(5));
    platform.kill_signalling();
    platform.advance(secs(5));
    assert!(call.find_record().is_none());
    platform.come_to_rest();
    assert!(call.record().price.is_some());
}

#[test]
fn a_call_that_rings_while_signalling_stands_still_goes_on() {
    let platform = Platform::new(4);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.signalling_stands(secs(1));
    platform.advance(millis(900));
    assert!(!call.is_ringing());
    platform.advance(secs(1));
    assert!(call.is_ringing());
    bob.answer();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    bob.hang_up();
    platform.come_to_rest();
}

#[test]
fn a_clock_that_is_an_hour_ahead_after_a_death_ends_calls_in_order() {
    let (platform, _, _, call) = talking(5);
    platform.step_clock(3_600_000_000);
    platform.kill_signalling();
    platform.come_to_rest();
    assert!(call.is_over());
}

#[test]
fn a_call_of_phones_whose_connections_were_cut_goes_on() {
    let platform = Platform::new(6);
    let (alice, bob) = (platform.tcp_phone("alice"), platform.tcp_phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    platform.kill_signalling();
    platform.advance(secs(3));
    assert!(call.has_two_way_audio());
    bob.hold();
    platform.advance(secs(1));
    assert!(alice.is_held(), "what bob says reaches alice");
    bob.resume();
    platform.advance(secs(1));
    assert!(call.has_two_way_audio());
    alice.hang_up();
    platform.advance(secs(1));
    assert!(bob.is_idle(), "bob hears that it is over");
    platform.come_to_rest();
    assert_eq!(call.record().cause, "caller hung up");
}
