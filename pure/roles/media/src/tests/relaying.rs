use rtp::Datagram;
use rtp::rtcp::{self, Block, Report, SenderInfo};

use super::stage::{FRAME, Phone, Stage, conversation, secs, two_who_talk};
use crate::Verdict;

#[test]
fn what_one_says_the_other_hears_as_it_was() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = two_who_talk(&mut stage);
    for _ in 0..50 {
        alice.speaks(&mut stage);
        bob.speaks(&mut stage);
        stage.advance(FRAME);
    }
    let heard = stage.sound_to(&bob);
    assert_eq!(heard.len(), 50);
    assert_eq!(heard[0].header().ssrc, 1);
    assert_eq!(heard[49].header().sequence, 1050);
    assert_eq!(stage.sound_to(&alice).len(), 50);
}

#[test]
fn a_phone_behind_nat_gets_its_sound_where_it_really_is() {
    let mut stage = Stage::new();
    let (mut alice, bob) = (Phone::at("198.51.100.1:61000", 1), Phone::at("203.0.113.2:5000", 2));
    let mut wish = conversation(1, Some(&alice), Some(&bob));
    wish.legs[0].remote_rtp = "10.0.0.5:4000".parse().ok();
    let ports = stage.connect(&wish);
    alice.told(&ports[0]);
    let mut bob = bob;
    bob.told(&ports[1]);
    bob.speaks(&mut stage);
    assert!(stage.sound_to(&alice).is_empty(), "nobody knows yet where she is");
    alice.speaks(&mut stage);
    alice.speaks(&mut stage);
    bob.speaks(&mut stage);
    assert_eq!(stage.sound_to(&alice).len(), 1);
}

#[test]
fn a_strangers_packets_are_counted_and_go_nowhere() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    let mut thief = Phone::at("192.0.2.66:6666", 1);
    thief.anchor = alice.anchor;
    for _ in 0..100 {
        alice.speaks(&mut stage);
        thief.header = alice.header;
        assert_eq!(thief.speaks(&mut stage), Verdict::Drop);
        stage.advance(FRAME);
    }
    assert_eq!(stage.sound_to(&bob).len(), 100);
    assert_eq!(stage.gauge("media_packets_strangers_total"), 100.0);
}

#[test]
fn a_payload_that_the_leg_does_not_know_opens_no_latch() {
    let mut stage = Stage::new();
    let (alice, bob) = two_who_talk(&mut stage);
    let mut thief = Phone::at("192.0.2.66:6666", 9);
    thief.anchor = alice.anchor;
    thief.header.payload_type = 42;
    for _ in 0..10 {
        assert_eq!(thief.speaks(&mut stage), Verdict::Drop);
    }
    assert!(stage.sound_to(&bob).is_empty());
}

#[test]
fn what_is_no_rtp_goes_nowhere() {
    let mut stage = Stage::new();
    let (alice, _) = two_who_talk(&mut stage);
    let anchor = alice.anchor.unwrap();
    for datagram in
        [&b""[..], b"\x80", b"INVITE sip:x SIP/2.0", &[0x80; 11], &[0, 1, 0, 0], &[0x80, 200, 0, 1]]
    {
        assert_eq!(stage.send(alice.address, anchor, datagram), Verdict::Drop, "{datagram:?}");
    }
    assert_eq!(stage.gauge("media_packets_unfit_total"), 6.0);
    assert_eq!(stage.send(alice.address, "192.0.2.1:30006".parse().unwrap(), &[0x80; 172]), Verdict::Drop);
    assert_eq!(stage.gauge("media_packets_unclaimed_total"), 1.0);
}

fn sender_report(ssrc: u32, at: machine::Moment, blocks: Vec<Block>) -> Vec<u8> {
    let info = SenderInfo { ssrc, ntp: rtp::Ntp::of(at), ..SenderInfo::default() };
    let mut datagram = Vec::new();
    rtcp::write(&[Report::Sender { info, blocks }], &mut datagram);
    datagram
}

#[test]
fn reports_pass_and_tell_us_the_round_trip_and_what_was_lost() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    alice.speaks(&mut stage);
    let report = sender_report(1, stage.now, vec![]);
    let rtcp_port = |port: std::net::SocketAddr| std::net::SocketAddr::new(port.ip(), port.port() + 1);
    let (alice_port, bob_port) = (rtcp_port(alice.anchor.unwrap()), rtcp_port(bob.anchor.unwrap()));
    stage.send(alice.rtcp, alice_port, &report);
    assert_eq!(stage.to(bob.rtcp, Datagram::Rtcp)[0].datagram, report);
    let middle = rtp::Ntp::of(stage.now).middle();
    stage.advance(std::time::Duration::from_millis(1080));
    let block =
        Block { ssrc: 1, lost: 3, last_report: middle, since_last_report: 65_536, ..Block::default() };
    let answer = sender_report(2, stage.now, vec![block]);
    stage.send(bob.rtcp, bob_port, &answer);
    assert_eq!(stage.to(alice.rtcp, Datagram::Rtcp).len(), 1);
    let quality = stage.release(3).quality;
    let round_trip = quality[1].round_trip_ms.unwrap();
    assert!((79.0..81.0).contains(&round_trip), "{round_trip}");
    assert_eq!(quality[1].remote_lost, Some(3));
    assert_eq!(quality[0].round_trip_ms, None);
}

#[test]
fn reports_of_strangers_are_not_passed() {
    let mut stage = Stage::new();
    let (alice, _) = two_who_talk(&mut stage);
    let anchor = alice.anchor.unwrap();
    let report = sender_report(1, stage.now, vec![]);
    let rtcp_port = std::net::SocketAddr::new(anchor.ip(), anchor.port() + 1);
    assert_eq!(stage.send("192.0.2.66:6667".parse().unwrap(), rtcp_port, &report), Verdict::Drop);
}

#[test]
fn with_mux_reports_come_and_go_on_one_port() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = (Phone::at("198.51.100.1:4000", 1), Phone::at("203.0.113.2:5000", 2));
    let mut wish = conversation(1, Some(&alice), Some(&bob));
    wish.legs[0].rtcp_mux = true;
    let ports = stage.connect(&wish);
    assert_eq!(ports[0].rtp, ports[0].rtcp);
    alice.told(&ports[0]);
    bob.told(&ports[1]);
    alice.speaks(&mut stage);
    let report = sender_report(1, stage.now, vec![]);
    stage.send(alice.address, ports[0].rtp, &report);
    assert_eq!(stage.to(bob.rtcp, Datagram::Rtcp).len(), 1);
    stage.send(bob.rtcp, ports[1].rtcp, &report);
    assert_eq!(stage.to(alice.address, Datagram::Rtcp).len(), 1);
    assert_eq!(stage.send(bob.address, ports[1].rtp, &report), Verdict::Drop, "he did not say that he would");
}

#[test]
fn how_it_sounded_is_told_at_the_end() {
    let mut stage = Stage::new();
    let (mut alice, mut bob) = two_who_talk(&mut stage);
    for packet in 0..500 {
        if packet % 50 == 7 {
            alice.header.sequence += 1;
            alice.header.timestamp += 160;
        } else {
            alice.speaks(&mut stage);
        }
        bob.header.payload_type = 8;
        bob.speaks(&mut stage);
        stage.advance(FRAME);
    }
    let quality = stage.release(3).quality;
    assert_eq!((quality[0].received, quality[0].lost, quality[0].sent), (490, 10, 500));
    assert_eq!((quality[1].received, quality[1].lost, quality[1].sent), (500, 0, 490));
    assert_eq!((quality[0].codec.as_str(), quality[1].codec.as_str()), ("PCMU", "PCMA"));
    assert!(quality[1].jitter_ms < 0.1);
    let (alices, bobs) = (quality[0].mos.unwrap(), quality[1].mos.unwrap());
    assert!(bobs > 4.3 && alices < bobs && alices > 3.5, "{alices} {bobs}");
}

#[test]
fn ports_of_an_old_call_are_not_lent_at_once() {
    let mut stage = Stage::with_legs(2);
    let (mut alice, bob) = two_who_talk(&mut stage);
    alice.speaks(&mut stage);
    stage.release(3);
    assert!(stage.open.is_empty());
    assert_eq!(alice.speaks(&mut stage), Verdict::Drop);
    let mut next = conversation(1, Some(&alice), Some(&bob));
    next.call = contract::CallId(2);
    assert_eq!(stage.anchor(&next), contract::media::Anchored::Full { retry_ms: 500 });
    stage.advance(secs(6));
    stage.connect(&next);
    assert_eq!(stage.open.len(), 2);
}

#[test]
fn no_datagram_does_any_harm() {
    let mut stage = Stage::new();
    let (mut alice, bob) = two_who_talk(&mut stage);
    alice.speaks(&mut stage);
    let (mut seed, first) = (0x9e37_79b9_7f4a_7c15_u64, alice.anchor.unwrap());
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for _ in 0..20_000 {
        let mut datagram: Vec<u8> = (0..random() % 80).map(|_| random() as u8).collect();
        if let Some(head) = datagram.first_mut().filter(|_| random() % 4 > 0) {
            *head = 0x80 | *head & 0x3f;
        }
        let port = std::net::SocketAddr::new(first.ip(), 30_000 + (random() % 8) as u16);
        let from = [alice.address, bob.address, alice.rtcp, bob.rtcp][random() % 4];
        stage.send(from, port, &datagram);
    }
    alice.header.ssrc = 99;
    stage.delivered.clear();
    assert!(matches!(alice.speaks(&mut stage), Verdict::Forward { .. }));
    assert_eq!(stage.sound_to(&bob).len(), 1);
}
