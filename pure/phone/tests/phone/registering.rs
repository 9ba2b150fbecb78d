//! A phone keeps itself registered.

use phone::{Command, Event, In};
use sip::digest::Algorithm;
use sip::{Method, Status};

use crate::world::{ALICE, World};

fn registered(world: &mut World) {
    world.command(ALICE, Command::Register);
    world.wait(100);
    assert_eq!(world.told(ALICE), [Event::Registered(300)]);
}

#[test]
fn a_challenge_is_answered_and_the_nonce_used_again() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut world = World::new();
        world.registrar.algorithm = algorithm;
        registered(&mut world);
        assert_eq!(world.requests(ALICE, Method::Register), 2);
        world.wait(301_000);
        assert_eq!(world.told(ALICE), [Event::Registered(300), Event::Registered(300)], "at half the time");
        assert_eq!(world.requests(ALICE, Method::Register), 4);
        assert_eq!(world.registrar.nonces, 1, "one challenge for all of it");
    }
}

#[test]
fn a_stale_nonce_is_no_trouble() {
    let mut world = World::new();
    registered(&mut world);
    world.wait(1_500_000);
    assert!(world.registrar.nonces > 1);
    assert!(world.told(ALICE).iter().all(|event| *event == Event::Registered(300)));
}

#[test]
fn the_registration_is_taken_back() {
    let mut world = World::new();
    registered(&mut world);
    world.command(ALICE, Command::Unregister);
    world.wait(1_000_000);
    assert_eq!(world.told(ALICE), [Event::Unregistered]);
    assert_eq!(world.registrar.bound, 0);
}

#[test]
fn too_short_a_time_is_made_longer() {
    let mut world = World::new();
    world.registrar.least = 3600;
    world.command(ALICE, Command::Register);
    world.wait(100);
    assert_eq!(world.told(ALICE), [Event::Registered(3600)]);
}

#[test]
fn a_wrong_password_is_told_and_tried_seldom() {
    let mut world = World::new();
    world.registrar.password = "other";
    world.command(ALICE, Command::Register);
    world.wait(100);
    assert_eq!(world.told(ALICE), [Event::NotRegistered(Some(Status::UNAUTHORIZED))]);
    let before = world.requests(ALICE, Method::Register);
    assert_eq!(before, 2);
    world.wait(3_600_000);
    let often = world.requests(ALICE, Method::Register) - before;
    assert!((4..=24).contains(&often), "{often} in an hour");
}

#[test]
fn a_dead_server_is_told_and_tried_again() {
    let mut world = World::new();
    world.registrar.is_dead = true;
    world.command(ALICE, Command::Register);
    world.wait(32_001);
    assert_eq!(world.told(ALICE), [Event::NotRegistered(None)]);
    world.registrar.is_dead = false;
    world.wait(30_001);
    assert_eq!(world.told(ALICE), [Event::Registered(300)]);
}

#[test]
fn of_several_servers_the_next_one_is_tried_at_once() {
    let mut world = World::with(|_, settings| settings.servers = 3);
    world.registrar.refuses = Some((Status::SERVICE_UNAVAILABLE, 0));
    world.command(ALICE, Command::Register);
    world.wait(100);
    assert_eq!(
        world.told(ALICE),
        [
            Event::Server(1),
            Event::Server(2),
            Event::Server(0),
            Event::NotRegistered(Some(Status::SERVICE_UNAVAILABLE)),
        ]
    );
    world.registrar.refuses = None;
    world.wait(30_001);
    assert_eq!(world.told(ALICE), [Event::Registered(300)]);
}

#[test]
fn a_busy_server_says_when_to_come_back() {
    let mut world = World::new();
    world.registrar.refuses = Some((Status::SERVICE_UNAVAILABLE, 600));
    world.command(ALICE, Command::Register);
    world.wait(100);
    world.registrar.refuses = None;
    world.told(ALICE);
    world.wait(590_000);
    assert_eq!(world.told(ALICE), []);
    world.wait(20_000);
    assert_eq!(world.told(ALICE), [Event::Registered(300)]);
}

#[test]
fn a_lost_connection_registers_again() {
    let mut world = World::new();
    world.input(ALICE, In::Reconnected);
    assert_eq!(world.requests(ALICE, Method::Register), 0, "who never was registered isn't now");
    registered(&mut world);
    world.input(ALICE, In::Reconnected);
    world.wait(100);
    assert_eq!(world.told(ALICE), [Event::Registered(300)]);
}

#[test]
fn loss_is_overcome() {
    let mut world = World::new();
    world.loss = 40;
    world.command(ALICE, Command::Register);
    world.wait(60_000);
    assert!(world.told(ALICE).contains(&Event::Registered(300)));
}
