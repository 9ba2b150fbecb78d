//! Media nodes come and go, and calls go where they are.

use contract::media::{Happening, Noticed};
use contract::moving::{MoveCall, Moved};
use contract::query::ListCalls;
use contract::{CallId, Envelope, NodeId};
use exchange::In;
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
