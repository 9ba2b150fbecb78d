use sim::{Platform, millis, secs};

#[test]
fn a_phone_that_registered_before_the_power_failed_can_be_called_afterwards() {
    let platform = Platform::new(31);
    let (alice, _bob) = (platform.phone("alice"), platform.phone("bob"));
    platform.advance(millis(100));
    platform.power_fails();
    platform.advance(secs(4));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    assert!(call.is_ringing());
    alice.hang_up();
    platform.come_to_rest();
}

#[test]
fn a_call_that_the_power_took_is_over_for_whoever_hangs_up() {
    let platform = Platform::new(32);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    platform.power_fails();
    platform.advance(secs(4));
    assert!(!call.has_two_way_audio());
    alice.hang_up();
    bob.hang_up();
    platform.advance(secs(1));
    assert!(alice.is_idle() && bob.is_idle(), "both were told that there is no such call");
    platform.come_to_rest();
    assert!(call.find_record().is_none());
    let again = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    assert!(again.has_two_way_audio());
    bob.hang_up();
    platform.come_to_rest();
    assert_eq!(platform.records().len(), 1);
}

#[test]
fn whoever_rings_or_waits_when_the_power_fails_finds_out() {
    let platform = Platform::new(33);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    platform.power_fails();
    platform.advance(secs(4));
    bob.answer();
    alice.hang_up();
    platform.come_to_rest();
    assert!(call.is_over() && alice.is_idle() && bob.is_idle());
    assert_eq!(platform.records().len(), 0);
}

#[test]
fn the_record_of_a_call_that_nobody_could_keep_survives_the_power_loss() {
    let platform = Platform::new(34);
    let (alice, bob) = (platform.phone("alice"), platform.phone("bob"));
    let call = alice.invite("bob");
    platform.advance(secs(1));
    bob.answer();
    platform.advance(secs(1));
    alice.hang_up();
    platform.advance(secs(3));
    platform.power_fails();
    platform.come_to_rest();
    assert_eq!(call.record().cause, "caller hung up");
}
