//! Garbage, broken SIP and half-open connections during a call: the call doesn't notice, and no worker dies.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;

use strowger_tests::{Phone, Platform, Worker};

use crate::furnished;

/// The same numbers each time: a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % limit.max(1)
    }
}

/// RFC 4475's messages, whole, cut off, and with bytes changed; and bytes that never were SIP.
fn broken_messages() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pure/sip/tests/rfc4475");
    let files = std::fs::read_dir(folder).expect("RFC 4475's messages");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let whole: Vec<Vec<u8>> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .map(|path| std::fs::read(path).expect("a message"))
        .collect();
    assert!(whole.len() > 30, "{} messages", whole.len());
    let mut dice = Dice(0x5eed);
    let mut messages = whole.clone();
    for message in &whole {
        for _ in 0..20 {
            let mut mutant = message.clone();
            mutant.truncate(dice.below(message.len()) + 1);
            for _ in 0..dice.below(6) {
                let at = dice.below(mutant.len());
                mutant[at] = dice.below(256) as u8;
            }
            messages.push(mutant);
        }
    }
    for _ in 0..300 {
        let length = dice.below(1400);
        messages.push((0..length).map(|_| dice.below(256) as u8).collect());
    }
    messages
}

/// Requests of strangers about a call that is not theirs: its Call-ID is right, all else is guessed.
fn meddling(platform: &Platform, call_id: &str, me: SocketAddr) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for method in ["BYE", "CANCEL", "INVITE", "UPDATE", "ACK", "INFO", "PRACK", "NONSENSE"] {
        for (number, tag) in ["", ";tag=1", ";tag=guessed"].iter().enumerate() {
            let to = platform.sip();
            let message = format!(
                "{method} sip:1002@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{method}{number}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:alice@test.example>;tag=guess\r\nTo: <sip:1002@test.example>{tag}\r\n\
                 Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nContact: <sip:mallory@{me}>\r\nContent-Length: 0\r\n\r\n"
            );
            messages.push(message.into_bytes());
        }
    }
    messages
}

/// Noise on the ports where the call's sound passes, and on some that are free.
fn noise(platform: &Platform, socket: &UdpSocket) {
    let mut dice = Dice(0xbad);
    for packet in 0..500_u32 {
        let port = 30_000 + u16::try_from(packet % 8).unwrap_or(0);
        let bytes: Vec<u8> = (0..dice.below(300)).map(|_| dice.below(256) as u8).collect();
        let _ = socket.send_to(&bytes, (platform.address(), port));
    }
}

fn no_worker_died(platform: &Platform, before: [u32; 3]) {
    let now = [Worker::Signalling, Worker::Media, Worker::Office].map(|worker| platform.worker(worker));
    assert_eq!(now, before, "a worker died:\n{}", platform.log());
}

#[test]
fn bad_input_during_a_call_disturbs_nobody() {
    let platform = furnished("");
    let before = [Worker::Signalling, Worker::Media, Worker::Office].map(|worker| platform.worker(worker));
    let bob = Phone::answering(&platform, "bob", 100);
    let mut alice = Phone::calling(&platform, "alice", "1002", 5.0);
    alice.wait_for("answered");

    let socket = UdpSocket::bind((platform.address(), 0)).expect("a socket");
    let messages = broken_messages();
    let call_id = platform.calls()[0]["sip_call_id"].as_str().expect("a Call-ID").to_owned();
    let meddling = meddling(&platform, &call_id, socket.local_addr().expect("an address"));
    for (number, message) in meddling.iter().chain(&messages).enumerate() {
        let _ = socket.send_to(message, platform.sip());
        if number % 50 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
    noise(&platform, &socket);
    // Some say nothing at all, some stop in the middle.
    let silent = || TcpStream::connect(platform.sip()).expect("a connection");
    let mut half_open: Vec<_> = (0..50).map(|_| silent()).collect();
    for message in messages.iter().take(100) {
        let mut stream = TcpStream::connect(platform.sip()).expect("a connection");
        let _ = stream.write_all(&message[..message.len() / 2]);
        half_open.push(stream);
    }

    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    let quality = bob.wait_for("over")["quality"].clone();
    assert!(quality["received"].as_u64() > Some(220), "{quality}");
    no_worker_died(&platform, before);
    let mut again = Phone::calling(&platform, "alice", "1002", 0.5);
    assert!(again.went_well(), "no call after bad input: {}", again.said());
    drop(half_open);
    let answered = platform.records().iter().filter(|record| record["outcome"] == "answered").count();
    assert!(answered <= 2, "{answered} records of two calls");
}
