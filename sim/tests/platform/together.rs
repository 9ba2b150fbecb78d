//! Hosts that go on for each other.

use sim::{Cluster, Fault, HostCall, HostPhone, millis, secs};

fn talking(seed: u64) -> (Cluster, HostPhone, HostPhone, HostCall) {
    let cluster = Cluster::new(seed);
    let (alice, bob) = (cluster.phone("alice"), cluster.phone("bob"));
    let call = alice.invite("bob");
    cluster.advance(secs(1));
    bob.answer();
    cluster.advance(secs(1));
    assert!(call.is_up());
    (cluster, alice, bob, call)
}

/// Another exchange's host than this one.
fn buddy_of(host: usize) -> [usize; 2] {
    [host % 3 + 1, (host + 1) % 3 + 1]
}

#[test]
fn the_owner_s_host_dies_while_the_callee_s_re_invite_is_pending() {
    for after in [3, 6, 9, 12, 20] {
        let (cluster, alice, bob, call) = talking(1);
        bob.hold();
        cluster.advance(millis(after));
        let dead = call.host();
        cluster.host_dies(dead);
        cluster.advance(secs(3));
        assert!(call.is_up() && alice.is_held(), "{after} ms after the re-INVITE");
        bob.resume();
        cluster.advance(secs(1));
        assert!(!alice.is_held());
        alice.hang_up();
        cluster.host_is_replaced(dead);
        cluster.come_to_rest();
        assert_eq!(cluster.records().len(), 1);
        assert_eq!(call.record().cause, "caller hung up");
    }
}

#[test]
fn the_ghost_comes_back_and_speaks() {
    let (cluster, alice, bob, call) = talking(2);
    let ghost = call.host();
    // It is in the middle of telling bob something.
    alice.hold();
    cluster.advance(millis(6));
    cluster.host_stops(ghost, secs(6));
    cluster.advance(secs(3));
    let owner = call.host();
    assert_ne!(owner, ghost);
    alice.hang_up();
    cluster.advance(secs(1));
    assert!(bob.is_idle());
    cluster.advance(secs(5));
    cluster.come_to_rest();
    assert_eq!(cluster.records().len(), 1);
}

#[test]
fn a_call_that_only_a_sleeper_knows_goes_on_when_it_wakes() {
    only_a_sleeper_knows_a_call(None);
}

pub(crate) fn only_a_sleeper_knows_a_call(fault: Option<Fault>) {
    let (cluster, alice, bob, call) = talking(7);
    cluster.plant(fault);
    let sleeper = call.host();
    cluster.host_stops(sleeper, secs(6));
    // Whatever they were told is gone, and who could tell them again sleeps.
    buddy_of(sleeper).iter().for_each(|&host| cluster.kill_signalling(host));
    cluster.advance(secs(4));
    assert!(!call.is_known(), "who took the shard has never heard of the call");
    cluster.advance(secs(3));
    assert!(call.is_known() && call.is_up());
    alice.hold();
    cluster.advance(secs(1));
    assert!(bob.is_held());
    bob.hang_up();
    cluster.come_to_rest();
    assert_eq!(cluster.records().len(), 1);
    assert_eq!(call.record().cause, "callee hung up");
}

#[test]
fn a_partition_leaves_the_owner_with_a_minority() {
    let (cluster, alice, bob, call) = talking(3);
    let owner = call.host();
    cluster.cut_off(&[owner], secs(8));
    cluster.advance(secs(3));
    bob.hang_up();
    cluster.advance(secs(1));
    assert!(alice.is_idle(), "whoever adopted the call has ended it");
    cluster.advance(secs(6));
    cluster.come_to_rest();
    assert_eq!(call.record().cause, "callee hung up");
    assert_eq!(cluster.records().len(), 1);
    cluster.settle();
    assert!(cluster.shards_of(owner) > 1000, "it has its share again");
}

#[test]
fn most_of_the_brokers_are_cut_off_and_calls_go_on() {
    let (cluster, alice, bob, call) = talking(4);
    let [one, other] = buddy_of(call.host());
    cluster.cut_off(&[one, other], secs(5));
    cluster.advance(secs(2));
    alice.hold();
    cluster.advance(secs(1));
    assert!(bob.is_held(), "nobody needs brokers to go on");
    alice.resume();
    cluster.advance(secs(4));
    alice.hang_up();
    cluster.come_to_rest();
    assert_eq!(call.record().cause, "caller hung up");
}

#[test]
fn what_was_held_back_when_the_process_died_is_said_by_its_successor() {
    let cluster = Cluster::new(5);
    let (alice, bob) = (cluster.phone("alice"), cluster.phone("bob"));
    let call = alice.invite("bob");
    cluster.advance(secs(1));
    let owner = call.host();
    buddy_of(owner).iter().for_each(|&buddy| cluster.host_stops(buddy, millis(400)));
    bob.answer();
    // The 200 has come and is decided upon; nobody has acknowledged that.
    cluster.advance(millis(15));
    assert!(!call.is_up());
    cluster.kill_signalling(owner);
    cluster.advance(millis(100));
    assert!(call.is_up(), "before bob's phone said it again");
    alice.hang_up();
    cluster.come_to_rest();
}

#[test]
fn a_process_that_dies_before_it_speaks_is_followed_by_one_that_does() {
    let (cluster, alice, bob, call) = talking(6);
    cluster.kill_signalling_before_it_speaks(call.host());
    alice.hang_up();
    cluster.advance(millis(200));
    assert!(bob.is_idle());
    cluster.come_to_rest();
}

#[test]
fn a_drained_host_gives_its_calls_away_and_gets_its_share_again() {
    let (cluster, alice, bob, call) = talking(7);
    let host = call.host();
    cluster.drain(host);
    cluster.settle();
    assert_eq!(cluster.shards_of(host), 0);
    assert_ne!(call.host(), host);
    bob.hold();
    cluster.advance(secs(1));
    assert!(alice.is_held());
    alice.hang_up();
    cluster.come_to_rest();
    assert_eq!(cluster.unprotected(), 0);
}

#[test]
fn an_edge_s_host_dies_and_another_holds_its_address() {
    let (cluster, alice, bob, call) = talking(8);
    cluster.host_dies(4);
    cluster.advance(secs(3));
    alice.hold();
    cluster.advance(secs(2));
    assert!(bob.is_held());
    cluster.host_is_replaced(4);
    bob.hang_up();
    cluster.come_to_rest();
    assert_eq!(call.record().cause, "callee hung up");
}

#[test]
fn every_host_dies_once_and_is_replaced_while_two_talk() {
    let (cluster, alice, bob, call) = talking(9);
    for host in 1..=5 {
        cluster.host_dies(host);
        cluster.advance(secs(4));
        cluster.host_is_replaced(host);
        cluster.settle();
        assert!(call.is_up(), "after host {host} died");
    }
    alice.hold();
    cluster.advance(secs(1));
    assert!(bob.is_held());
    bob.hang_up();
    cluster.come_to_rest();
    assert_eq!(cluster.records().len(), 1);
    assert_eq!(call.record().cause, "callee hung up");
}

#[test]
fn all_lines_between_hosts_break_and_nothing_is_lost() {
    let (cluster, alice, bob, call) = talking(10);
    (1..=5).for_each(|host| cluster.lines_break(host));
    alice.hold();
    cluster.advance(secs(2));
    assert!(bob.is_held() && call.is_up());
    alice.hang_up();
    cluster.come_to_rest();
}

/// The owner is cut off from both others, who are most of the brokers, and not from phones and the store: it goes on with
/// the call, and the others take it over.
pub(crate) fn the_owner_is_left_with_the_world(fault: Option<Fault>) {
    let (cluster, alice, bob, call) = talking(11);
    cluster.plant(fault);
    cluster.cut_off(&buddy_of(call.host()), secs(4));
    cluster.advance(secs(2));
    bob.hang_up();
    cluster.advance(secs(1));
    assert!(alice.is_idle(), "calls wait for nobody");
    assert!(fault.is_some() || cluster.records().is_empty(), "nobody who may go on knows of the end");
    cluster.advance(secs(6));
    cluster.come_to_rest();
    assert_eq!(cluster.records().len(), 1);
}

#[test]
fn an_end_that_nobody_else_knows_is_not_recorded() {
    the_owner_is_left_with_the_world(None);
}

/// Both phones are being told something when the owner is cut off. Others go on; then what it said meanwhile arrives.
fn what_a_ghost_said_arrives(seed: u64) {
    let (cluster, alice, bob, call) = talking(seed);
    alice.hold();
    cluster.advance(millis(6));
    cluster.cut_off(&[call.host()], millis(2_500));
    cluster.advance(secs(4));
    assert!(bob.is_held());
    alice.hang_up();
    cluster.come_to_rest();
    assert_eq!(cluster.records().len(), 1);
}

#[test]
fn what_a_ghost_said_while_it_was_cut_off_is_not_heard() {
    (1..6).for_each(what_a_ghost_said_arrives);
}

/// An edge stands still with messages in its socket that an owner has for a phone; that hears another owner by another
/// edge when it wakes.
pub(crate) fn an_edge_wakes_with_old_news(fault: Option<Fault>) {
    let (cluster, alice, bob, call) = talking(12);
    cluster.plant(fault);
    let owner = call.host();
    // The owner has heard of it, and what it says goes by the edge.
    alice.hold();
    cluster.advance(millis(6));
    cluster.host_stops(4, secs(9));
    cluster.advance(secs(2));
    cluster.drain(owner);
    cluster.advance(secs(3));
    assert_ne!(call.host(), owner);
    assert!(bob.is_held());
    alice.resume();
    cluster.advance(secs(8));
    assert!(!bob.is_held());
    alice.hang_up();
    cluster.come_to_rest();
    assert_eq!(cluster.records().len(), 1);
}

#[test]
fn an_edge_that_slept_tells_no_old_news() {
    an_edge_wakes_with_old_news(None);
}
