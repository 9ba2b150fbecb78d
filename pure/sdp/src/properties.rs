//! What holds for every body, and what another parser thinks of ours.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::{Anchor, Author, Codec, Direction, Offer, Others, Session};

/// Lines as they occur, and rubbish between them.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("v=0".to_owned()),
        "o=[a-z-]{1,4} [0-9]{1,20} [0-9]{1,5} IN IP(4|6) [0-9.:a-f]{1,12}",
        "c=IN IP4 (0\\.0\\.0\\.0|192\\.0\\.2\\.[0-9]|224\\.2\\.1\\.1/127/3|h\\.example)",
        "m=(audio|video|image) [0-9]{1,5}(/[0-9])? (RTP/AVP|RTP/SAVP|udptl)( [0-9]{1,3}){0,5}",
        "a=(rtpmap|fmtp):[0-9]{1,3} [a-zA-Z0-9/=;-]{0,20}",
        "a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux|ice-lite|group:BUNDLE 1)",
        "a=(rtcp|ptime|candidate|crypto|mid):[0-9A-Z. ]{0,12}",
        "[a-z]=[ -~]{0,20}",
        "\\PC{0,20}",
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let origin = "o=- [0-9]{1,9} 1 IN IP4 192\\.0\\.2\\.1";
    let end = prop_oneof![Just("\r\n"), Just("\n")];
    (option::weighted(0.9, origin), vec(line(), 0..20), end).prop_map(|(origin, lines, end)| {
        let head = ["v=0".to_owned()].into_iter().chain(origin);
        head.chain(lines).map(|line| line + end).collect::<String>().into_bytes()
    })
}

fn codec() -> impl Strategy<Value = Codec> {
    let known = vec![
        Codec::pcmu(),
        Codec::pcma(),
        Codec::g722(),
        Codec::opus(96),
        Codec::new(97, "iLBC", 8000),
        Codec::telephone_event(101, 8000),
        Codec::telephone_event(102, 48_000),
    ];
    prop::sample::select(known)
}

fn codecs() -> impl Strategy<Value = Vec<Codec>> {
    vec(codec(), 0..6).prop_map(|mut codecs| {
        codecs.sort_by_key(|codec| codec.payload);
        codecs.dedup();
        codecs
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    prop::sample::select(vec![SendRecv, SendOnly, RecvOnly, Inactive])
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Session::parse(&bytes);
    }

    #[test]
    fn what_is_read_is_written_and_read_again(body in body()) {
        if let Ok(session) = Session::parse(&body) {
            let written = session.write();
            let again = Session::parse(&written).unwrap();
            prop_assert_eq!(&again, &session);
            prop_assert_eq!(again.write(), written);
        }
    }

    #[test]
    fn whatever_was_offered_every_view_and_answer_can_be_taken(body in body(), ours in codecs()) {
        let Ok(session) = Session::parse(&body) else { return Ok(()) };
        for index in 0..session.media.len() {
            let stream = session.stream(index).unwrap();
            let _ = (stream.codecs(), stream.direction(), stream.rtp_target(), stream.rtcp_target(), stream.ptime());
        }
        let offer = Offer::audio("192.0.2.3".parse().unwrap(), 4000, ours, Direction::SendRecv);
        let answer = offer.answer(&session);
        prop_assert_eq!(answer.session.media.len(), session.media.len());
        let live = answer.session.media.iter().filter(|media| !media.is_rejected()).count();
        prop_assert_eq!(live, usize::from(answer.agreed.is_ok()));
        prop_assert_eq!(Session::parse(&answer.session.write()), Ok(answer.session));
    }

    #[test]
    fn an_anchored_session_leads_to_the_anchor_only(body in body(), pass in any::<bool>()) {
        let Ok(mut session) = Session::parse(&body) else { return Ok(()) };
        let before = session.clone();
        let others = if pass { Others::PassThrough } else { Others::Reject };
        let anchor = Anchor { others, ..Anchor::new("198.51.100.7:30000".parse().unwrap()) };
        session.anchor(&anchor);
        Author::new(7, anchor.rtp.ip()).sign(&mut session);
        prop_assert_eq!(session.media.len(), before.media.len());
        prop_assert_eq!(session.audio_index(), before.audio_index());
        prop_assert_eq!(session.is_hold(), before.is_hold());
        if let Some(audio) = session.audio() {
            let refused = before.audio().unwrap().media().is_rejected();
            prop_assert_eq!(audio.rtp_target(), (!refused).then_some(anchor.rtp));
            prop_assert!(refused || !audio.media().lines.has("candidate"));
        }
        let live = session.media.iter().filter(|media| !media.is_rejected()).count();
        prop_assert!(pass || live <= 1);
        prop_assert_eq!(Session::parse(&session.write()), Ok(session));
    }

    #[test]
    fn offerer_and_answerer_agree(alice in codecs(), bob in codecs(), a in direction(), b in direction()) {
        let alice = Offer::audio("192.0.2.1".parse().unwrap(), 4000, alice, a);
        let bob = Offer::audio("192.0.2.2".parse().unwrap(), 5000, bob, b);
        let answer = bob.answer(&alice.session());
        let heard = alice.answered(&answer.session);
        prop_assert_eq!(heard.is_ok(), answer.agreed.is_ok());
        if let (Ok(there), Ok(here)) = (answer.agreed, heard) {
            prop_assert!(there.codec.same_as(&here.codec));
            prop_assert_eq!(there.direction, here.direction.reversed());
            prop_assert_eq!(there.rtp, Some(alice.rtp));
            prop_assert_eq!(here.rtp, Some(bob.rtp));
        }
    }

    #[test]
    fn another_parser_reads_our_bodies_as_we_meant_them(
        (codecs, direction, port) in (codecs(), direction(), 1..u16::MAX),
    ) {
        let offer = Offer::audio("2001:db8::1".parse().unwrap(), port, codecs.clone(), direction).signed(7, 3);
        if codecs.is_empty() {
            return Ok(());
        }
        let theirs = sdp_types::Session::parse(&offer.session().write()).unwrap();
        prop_assert_eq!((theirs.origin.sess_id.as_str(), theirs.origin.sess_version), ("7", 3));
        prop_assert_eq!(theirs.connection.unwrap().connection_address, "2001:db8::1");
        let media = &theirs.medias[0];
        prop_assert_eq!((media.media.as_str(), media.port, media.proto.as_str()), ("audio", port, "RTP/AVP"));
        let formats: Vec<String> = codecs.iter().map(|codec| codec.payload.to_string()).collect();
        prop_assert_eq!(media.fmt.split(' ').collect::<Vec<_>>(), formats);
        prop_assert!(media.has_attribute(direction.as_str()));
        let maps = media.get_attribute_values("rtpmap").flatten().count();
        prop_assert_eq!(maps, codecs.len());
    }

    #[test]
    fn whatever_another_parser_takes_we_take_and_understand_alike(body in body()) {
        let Ok(theirs) = sdp_types::Session::parse(&body) else { return Ok(()) };
        let ours = match Session::parse(&body) {
            Ok(ours) => ours,
            // It takes lines of any letter, a missing or misplaced o=, and connections that are none.
            Err(error) => {
                let laxer = ["<letter>=<value>", "an o= line", "c=IN <IP4|IP6> <address>"];
                prop_assert!(laxer.contains(&error.expected), "{error}");
                return Ok(());
            }
        };
        prop_assert_eq!(&ours.origin.id, &theirs.origin.sess_id);
        prop_assert_eq!(ours.media.len(), theirs.medias.len());
        for (our, their) in ours.media.iter().zip(&theirs.medias) {
            prop_assert_eq!((&our.kind, our.port, &our.proto), (&their.media, their.port, &their.proto));
            prop_assert_eq!(our.formats.join(" "), their.fmt.trim());
            prop_assert_eq!(our.lines.attributes().count(), their.attributes.len());
        }
    }
}
