//! Garbage, broken SIP and half-open connections during a call: the call doesn't notice, and no worker dies.

use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};
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
    for (number, message) in messages.iter().enumerate() {
        let _ = socket.send_to(message, platform.sip());
        if number % 50 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
    let mut half_open = Vec::new();
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
