//! A phone that may choose from several servers: those of its platform, and a stranger's as the last resort.

use std::time::Duration;

use phone::{Command, Event, OnCall};
use sip::{Method, Status};

use crate::world::{ALICE, BOB, FIRST, World};

/// Alice may turn to a second server; Bob answers at once.
fn with_two_servers() -> World {
    World::with(|who, settings| match who {
        ALICE => settings.servers = 2,
        _ => settings.on_call = OnCall::Answer(Duration::ZERO),
    })
}

/// To which of her servers Alice has said this, and how often in a row.
fn servers(world: &World, method: Method<'_>) -> Vec<usize> {
    let mut servers: Vec<usize> = Vec::new();
    for (server, message) in &world.said_to {
        if message.method() == Some(method) && servers.last() != Some(server) {
            servers.push(*server);
        }
    }
    servers
}

#[test]
fn a_server_that_says_nothing_to_a_registration_is_left_long_before_its_transaction_is_given_up() {
    let mut world = with_two_servers();
    world.dead.insert(0);
    world.command(ALICE, Command::Register);
    world.wait(4_100);
    assert_eq!(world.told(ALICE), [Event::Server(1), Event::Registered(300)]);
}

#[test]
fn a_phone_with_one_server_waits_as_long_as_the_protocol_lets_it() {
    let mut world = World::new();
    world.dead.insert(0);
    world.command(ALICE, Command::Register);
    world.wait(31_900);
    assert_eq!(world.told(ALICE), []);
    world.wait(200);
    assert_eq!(world.told(ALICE), [Event::NotRegistered(None)]);
}

#[test]
fn a_call_that_the_server_says_nothing_to_is_begun_at_the_next_one_and_stays_the_same_call() {
    let mut world = with_two_servers();
    world.command(ALICE, Command::Register);
    world.wait(100);
    world.told(ALICE);
    world.dead.insert(0);
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(4_500);
    let told = world.told(ALICE);
    let expected = [
        Event::Server(1),
        Event::Ringing(FIRST, Status::RINGING),
        Event::Answered(FIRST),
        Event::Registered(300),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    assert!(expected.iter().all(|event| told.contains(event)), "{told:?}");
    assert_eq!(servers(&world, Method::Invite), [0, 1]);
}

#[test]
fn a_call_that_no_server_answers_is_refused_once_all_were_tried() {
    let mut world = with_two_servers();
    world.dead.extend([0, 1]);
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(3_900);
    assert_eq!(world.told(ALICE), []);
    world.wait(40_000);
    let told = world.told(ALICE);
    let Some(Event::Over { refused, .. }) = told.iter().find(|event| matches!(event, Event::Over { .. }))
    else {
        panic!("{told:?}");
    };
    assert_eq!(*refused, Some(Status::REQUEST_TIMEOUT));
    assert_eq!(servers(&world, Method::Invite), [0, 1]);
}

#[test]
fn a_call_that_is_hung_up_meanwhile_is_begun_nowhere_else() {
    let mut world = with_two_servers();
    world.dead.insert(0);
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    world.command(ALICE, Command::HangUp(FIRST));
    world.wait(60_000);
    assert_eq!(servers(&world, Method::Invite), [0]);
    assert_eq!(world.told(BOB), []);
}

#[test]
fn the_first_server_is_looked_for_and_gone_back_to_when_it_answers() {
    let mut world = with_two_servers();
    world.dead.insert(0);
    world.command(ALICE, Command::Register);
    world.wait(140_000);
    assert_eq!(
        world.told(ALICE),
        [Event::Server(1), Event::Registered(300)],
        "it stays while nobody answers"
    );
    let looks = world.said_to.iter().filter(|(server, _)| *server == 0).count();
    assert!(looks > 3, "{looks}");
    world.dead.clear();
    world.wait(65_000);
    let told = world.told(ALICE);
    assert_eq!(
        told.first(),
        Some(&Event::Registered(300)),
        "refreshed at the second one meanwhile: {told:?}"
    );
    assert_eq!(told.last(), Some(&Event::Registered(300)));
    assert!(told.contains(&Event::Server(0)), "{told:?}");
}

#[test]
fn a_call_ends_where_it_was_begun_and_until_then_nobody_goes_back() {
    let mut world = with_two_servers();
    world.dead.insert(0);
    world.command(ALICE, Command::Register);
    world.wait(4_100);
    world.command(ALICE, Command::Call("bob".into()));
    world.wait(1_000);
    world.dead.clear();
    world.told(ALICE);
    world.wait(120_000);
    assert!(!world.told(ALICE).contains(&Event::Server(0)));
    world.command(ALICE, Command::HangUp(FIRST));
    world.wait(100);
    assert_eq!(servers(&world, Method::Bye), [1]);
    world.wait(100_000);
    assert!(world.told(ALICE).contains(&Event::Server(0)));
}
