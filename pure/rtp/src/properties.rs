//! What holds for every packet and every order of arrival.

use machine::Moment;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::rtcp::{self, Block, Report, SenderInfo, Source};
use crate::{Arrival, Datagram, Extension, Header, Ntp, Packet, Played, Playout, Receiver, event};

prop_compose! {
    fn header()(
        (marker, payload_type, sequence) in (any::<bool>(), 0..128u8, any::<u16>()),
        (timestamp, ssrc) in any::<(u32, u32)>(),
    ) -> Header {
        Header { marker, payload_type, sequence, timestamp, ssrc }
    }
}

fn words(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<[u8; 4]>(), 0..=most).prop_map(|words| words.concat())
}

prop_compose! {
    fn block()(
        (ssrc, fraction_lost, lost) in (any::<u32>(), any::<u8>(), -0x80_0000..=0x7f_ffff),
        (highest, jitter, last_report, since_last_report) in any::<(u32, u32, u32, u32)>(),
    ) -> Block {
        Block { ssrc, fraction_lost, lost, highest, jitter, last_report, since_last_report }
    }
}

prop_compose! {
    fn info()((ssrc, ntp, timestamp, packets, octets) in any::<(u32, u64, u32, u32, u32)>()) -> SenderInfo {
        SenderInfo { ssrc, ntp: Ntp(ntp), timestamp, packets, octets }
    }
}

fn report() -> impl Strategy<Value = Report> {
    let text = || vec(any::<u8>(), 0..20);
    let source =
        (any::<u32>(), vec((1..=255u8, text()), 0..4)).prop_map(|(ssrc, items)| Source { ssrc, items });
    prop_oneof![
        (info(), vec(block(), 0..=31)).prop_map(|(info, blocks)| Report::Sender { info, blocks }),
        (any::<u32>(), vec(block(), 0..=31)).prop_map(|(ssrc, blocks)| Report::Receiver { ssrc, blocks }),
        vec(source, 0..5).prop_map(Report::Description),
        (vec(any::<u32>(), 0..5), text()).prop_map(|(sources, reason)| Report::Goodbye { sources, reason }),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = (Datagram::of(&bytes), Header::read(&bytes), Packet::parse(&bytes), rtcp::parse(&bytes));
        let _ = event::Event::read(&bytes);
    }

    #[test]
    fn no_bytes_that_look_like_reports_panic(
        kinds in vec((200..206u8, any::<u8>(), 0..12u8, vec(any::<u8>(), 0..48)), 0..4),
    ) {
        let packet = |(kind, first, words, body): (u8, u8, u8, Vec<u8>)| {
            [&[0x80 | first & 0x3f, kind, 0, words], &body[..]].concat()
        };
        let _ = rtcp::parse(&kinds.into_iter().flat_map(packet).collect::<Vec<u8>>());
    }

    #[test]
    fn a_packet_is_read_as_it_was_written(
        header in header(),
        csrcs in words(15),
        extension in option::of((any::<u16>(), words(20))),
        payload in vec(any::<u8>(), 0..200),
        padding in any::<u8>(),
    ) {
        let extension = extension.as_ref().map(|(profile, data)| Extension { profile: *profile, data });
        let packet = Packet { header, csrcs: &csrcs, extension, payload: &payload, padding };
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        prop_assert_eq!(Packet::parse(&bytes), Ok(packet));
        prop_assert_eq!(Header::read(&bytes), Some(header));
    }

    #[test]
    fn reports_are_read_as_they_were_written(reports in vec(report(), 1..5)) {
        let mut bytes = Vec::new();
        rtcp::write(&reports, &mut bytes);
        prop_assert_eq!(rtcp::parse(&bytes), Ok(reports));
    }

    #[test]
    fn an_event_is_read_as_it_was_written(
        (code, end, volume, duration) in (any::<u8>(), any::<bool>(), 0..64u8, any::<u16>()),
    ) {
        let event = event::Event { code, end, volume, duration };
        prop_assert_eq!(event::Event::read(&event.bytes()), Some(event));
    }

    #[test]
    fn whatever_arrives_the_receivers_sums_hold(
        packets in vec((any::<bool>(), 0..400u16, any::<u32>(), 0..3u32, 0..50_000u64), 1..400),
        wild in any::<bool>(),
    ) {
        let mut receiver = Receiver::new(8000);
        let (mut now, mut counted) = (Moment::from_secs(1), 0);
        for (far, sequence, timestamp, ssrc, wait) in packets {
            let sequence = if far && wild { sequence.wrapping_mul(163) } else { sequence };
            now = now.after(std::time::Duration::from_micros(wait));
            let header = Header { sequence, timestamp, ssrc: if wild { ssrc } else { 0 }, ..Header::default() };
            let arrival = receiver.packet(now, &header);
            counted += u64::from(!matches!(arrival, Arrival::Duplicate | Arrival::Stray));
            let totals = receiver.totals();
            prop_assert!(totals.received <= counted);
            prop_assert!(totals.received <= totals.expected);
            prop_assert!((0.0..=1.0).contains(&totals.loss()) && totals.burst_ratio() >= 1.0);
        }
        let kept = serde_json::to_string(&receiver).unwrap();
        prop_assert_eq!(serde_json::from_str::<Receiver>(&kept).unwrap(), receiver.clone());
        prop_assert!(receiver.block(now).is_some());
    }

    #[test]
    fn in_any_order_within_reach_nothing_is_lost(order in Just((0..60u16).collect::<Vec<_>>()).prop_shuffle()) {
        let mut receiver = Receiver::new(8000);
        let first = Header { sequence: u16::MAX - 20, ..Header::default() };
        receiver.packet(Moment::START, &first);
        for step in order {
            let sequence = first.sequence.wrapping_add(step + 1);
            receiver.packet(Moment::START, &Header { sequence, ..first });
        }
        let totals = receiver.totals();
        prop_assert_eq!((totals.expected, totals.received, totals.loss_runs), (61, 61, 0));
    }

    #[test]
    fn what_is_played_comes_in_order_and_once(
        steps in vec((any::<bool>(), 0..6u16), 1..500),
        (least, more) in (1..4usize, 0..4usize),
    ) {
        let mut playout = Playout::adaptive(least, least + more);
        let (mut sent, mut last) = (0u16, None);
        for (put, back) in steps {
            if put {
                sent += 1;
                let sequence = sent.saturating_sub(back);
                playout.put(sequence.wrapping_add(65_400), &sequence.to_be_bytes());
            } else if let Played::Frame(frame) = playout.take() {
                let number = u16::from_be_bytes([frame[0], frame[1]]);
                prop_assert!(last.is_none_or(|last| number > last), "{number} after {last:?}");
                last = Some(number);
            }
        }
    }

    #[test]
    fn digits_are_heard_as_they_were_pressed(digits in "[0-9*#A-D]{1,12}", lost in vec(any::<bool>(), 200)) {
        let mut sender = crate::Sender::new(1, 8000, 65_000, u32::MAX - 2000);
        let (mut listener, mut heard, mut lost) = (event::Listener::default(), String::new(), lost.into_iter());
        for digit in digits.chars() {
            let mut press = event::Press::new(&sender, 101, digit, 400, 160).unwrap();
            let mut packets: Vec<_> = std::iter::from_fn(|| press.packet(&mut sender)).collect();
            let kept = packets.pop();
            packets.retain(|_| lost.next() == Some(false));
            for (header, payload) in packets.iter().chain(&kept) {
                heard.extend(listener.hear(header, payload).map(|it| it.digit));
            }
            sender.silence(800);
        }
        prop_assert_eq!(heard, digits);
    }
}
