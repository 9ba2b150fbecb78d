//! Media nodes come and go, and calls go where they are.

use std::collections::BTreeSet;

use contract::event::What;
use contract::media::{Happening, Noticed};
use contract::moving::{Move, MoveCall, Moved, Reason};
use contract::paths::{Conditions, Path, ShowConditions};
use contract::query::ListCalls;
use contract::{CallId, Envelope, NodeId};
use exchange::{In, Settings};
use machine::Shard;
use sip::Method;

use crate::calls::Pair;
use crate::phone::{OFFER, request, seconds, text};
use crate::platform::{Platform, Sip};

fn nodes(nodes: &[u16]) -> In {
    In::Media(nodes.iter().map(|node| NodeId(*node)).collect())
}

fn talking() -> Pair {
    let mut pair = Pair::new(Platform::new());
    pair.platform.tell(nodes(&[1, 2]));
    pair.talk();
    pair
}

fn reinvites(heard: &[Sip]) -> Vec<String> {
    let is_invite = |message: &&Sip| message.method() == Some(Method::Invite);
    heard.iter().filter(is_invite).map(text).collect()
}

fn the_call(platform: &mut Platform) -> contract::query::CallView {
    platform.ask(0, &ListCalls { limit: 1, ..ListCalls::default() }).calls.remove(0)
}

#[test]
fn a_call_begins_at_the_best_media_node() {
    let mut pair = talking();
    assert_eq!(the_call(&mut pair.platform).media, NodeId(1));
}

#[test]
fn on_a_platform_that_is_alone_media_is_whoever_hears_it() {
    let mut pair = Pair::new(Platform::new());
    let (invite, _) = pair.talk();
    assert!(text(&invite).contains("192.0.2.99"));
    assert_eq!(the_call(&mut pair.platform).media, NodeId(0));
}

#[test]
fn both_phones_are_invited_again_when_their_media_node_is_gone() {
    let mut pair = talking();
    pair.platform.tell(nodes(&[1, 2]));
    assert_eq!(pair.platform.pass(seconds(1)).len(), 0, "nothing has changed");
    pair.platform.tell(nodes(&[2]));
    let heard = pair.platform.pass(seconds(0));
    let offers = reinvites(&heard);
    assert_eq!(offers.len(), 2);
    assert!(offers.iter().all(|offer| offer.contains("c=IN IP4 192.0.2.101")), "{offers:?}");
    assert_eq!(the_call(&mut pair.platform).media, NodeId(2));
    let to_bob = request(&heard, Method::Invite).clone();
    let heard = pair.platform.hear(&pair.bob.answers(&to_bob, 200, OFFER));
    request(&heard, Method::Ack);
}

#[test]
fn a_call_goes_on_elsewhere_after_a_restart() {
    let mut pair = talking();
    pair.platform.restart();
    assert_eq!(the_call(&mut pair.platform).media, NodeId(1));
    pair.platform.tell(nodes(&[2]));
    assert_eq!(reinvites(&pair.platform.pass(seconds(0))).len(), 2);
}

#[test]
fn a_call_is_moved_by_hand() {
    let mut pair = talking();
    let call = the_call(&mut pair.platform).id;
    let wanted = MoveCall { call, to: NodeId(2) };
    assert_eq!(pair.platform.ask(0, &wanted), Moved::Accepted);
    assert_eq!(reinvites(&pair.platform.pass(seconds(0))).len(), 2);
    assert_eq!(pair.platform.ask(0, &wanted), Moved::Accepted, "twice is as good as once");
    assert_eq!(reinvites(&pair.platform.pass(seconds(0))).len(), 0);
    assert_eq!(pair.platform.ask(0, &MoveCall { call, to: NodeId(9) }), Moved::NoSuchNode);
    let nobody = MoveCall { call: CallId(1), to: NodeId(2) };
    assert_eq!(pair.platform.ask(0, &nobody), Moved::NotFound);
}

#[test]
fn audio_that_nobody_knows_of_is_released_where_nobody_talks() {
    let mut pair = talking();
    let shard = Shard::of(1);
    let noticed = |what| Noticed { call: CallId(1), leg: 0, what, node: NodeId(2) };
    let released = |platform: &Platform| {
        platform.office.asked.iter().filter(|subject| *subject == "media.release").count()
    };
    let digit = noticed(Happening::Digit { digit: '1', serial: 1 });
    pair.platform.tell(In::Bus(Envelope::notice(Some(shard), &digit)));
    assert_eq!(released(&pair.platform), 0);
    for (count, what) in [(1, Happening::Inactive), (2, Happening::Idle)] {
        pair.platform.tell(In::Bus(Envelope::notice(Some(shard), &noticed(what))));
        assert_eq!(released(&pair.platform), count);
    }
}

/// What three nodes say, if the paths of node 1 are `bad`, and it has lent so many of its hundred ports.
fn conditions(is_bad: bool, lent: u32) -> Vec<In> {
    let told = [1, 2, 3].map(|node| {
        let path = |to: u16| {
            let is_bad = is_bad && (node == 1 || to == 1);
            let (lost_there, delay_us) = if is_bad { (0.1, 90_000) } else { (0.0, 400) };
            Path { to: NodeId(to), lost_there, delay_us, probes: 50, ..Path::default() }
        };
        let paths = [1, 2, 3].into_iter().filter(|to| *to != node).map(path).collect();
        let lent = if node == 1 { lent } else { 2 };
        Conditions { node: NodeId(node), ports: 100, lent, paths, ..Conditions::default() }
    });
    told.iter().map(|said| In::Bus(Envelope::notice(None, said))).collect()
}

/// So many seconds pass, in each of which all nodes say how they are; what phones hear meanwhile.
fn pass(pair: &mut Pair, count: usize, said: impl Fn() -> Vec<In>) -> Vec<Sip> {
    let mut heard = Vec::new();
    for _ in 0..count {
        said().into_iter().for_each(|it| pair.platform.tell(it));
        heard.extend(pair.platform.pass(seconds(1)));
    }
    heard
}

/// The same, and both phones agree to where they hear that their audio is.
fn pass_agreeing(pair: &mut Pair, count: usize, said: impl Fn() -> Vec<In>) {
    for _ in 0..count {
        let heard = pass(pair, 1, &said);
        for offer in heard.iter().filter(|message| message.method() == Some(Method::Invite)) {
            let answer = pair.bob.answers(offer, 200, OFFER);
            request(&pair.platform.hear(&answer), Method::Ack);
        }
    }
}

fn talking_among_three() -> Pair {
    let mut pair = Pair::new(Platform::with(1, Settings { events: true, ..Settings::default() }));
    pair.platform.tell(nodes(&[1, 2, 3]));
    pair.talk();
    pair
}

#[test]
fn a_call_leaves_a_node_whose_paths_are_worse_and_it_is_told() {
    let mut pair = talking_among_three();
    assert_eq!(reinvites(&pass(&mut pair, 5, || conditions(false, 10))).len(), 0);
    let offers = reinvites(&pass(&mut pair, 9, || conditions(true, 10)));
    // Phones that say nothing are told again.
    assert_eq!(offers.iter().collect::<BTreeSet<_>>().len(), 2);
    let call = the_call(&mut pair.platform);
    assert_ne!(call.media, NodeId(1));
    let moves: Vec<_> = pair.platform.office.events.iter().filter(|it| it.what == What::Moved).collect();
    assert_eq!(moves.len(), 1);
    assert_eq!(moves[0].moved, Some(Move { to: call.media, reason: Reason::Path }));
    let gauges = pair.platform.ask(0, &contract::query::Gauge {});
    let counted = gauges.values.iter().find(|(name, _)| name == "exchange_moved_total{reason=\"path\"}");
    assert_eq!(counted.map(|(_, count)| *count), Some(1.0));
    assert_eq!(pair.platform.ask(0, &ShowConditions {}).nodes.len(), 3);
}

#[test]
fn a_new_call_begins_where_the_paths_are_good() {
    let mut pair = Pair::new(Platform::new());
    pair.platform.tell(nodes(&[1, 2, 3]));
    pass(&mut pair, 6, || conditions(true, 10));
    pair.talk();
    assert_eq!(the_call(&mut pair.platform).media, NodeId(2));
}

#[test]
fn a_call_leaves_a_full_node_and_rests_then() {
    let mut pair = talking_among_three();
    pass_agreeing(&mut pair, 20, || conditions(false, 90));
    let call = the_call(&mut pair.platform);
    assert_ne!(call.media, NodeId(1));
    let wanted = MoveCall { call: call.id, to: NodeId(1) };
    assert_eq!(pair.platform.ask(0, &wanted), Moved::Accepted, "by hand it goes at once");
    pass_agreeing(&mut pair, 50, || conditions(false, 90));
    assert_eq!(the_call(&mut pair.platform).media, NodeId(1));
}

#[test]
fn where_moving_is_off_a_call_stays() {
    let mut settings = Settings::default();
    settings.moving.on = false;
    let mut pair = Pair::new(Platform::with(1, settings));
    pair.platform.tell(nodes(&[1, 2, 3]));
    pair.talk();
    assert_eq!(reinvites(&pass(&mut pair, 12, || conditions(true, 90))).len(), 0);
}
