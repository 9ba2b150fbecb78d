use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::platform::Platform;

/// Somebody who asks for a sign of life every few milliseconds, and notes how long each takes to come.
#[derive(Debug)]
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Probe {
    /// Starts to ask `platform`.
    ///
    /// # Panics
    /// When there is no socket to be had.
    pub fn start(platform: &Platform) -> Probe {
        let socket = UdpSocket::bind((platform.address(), 0)).expect("a socket");
        socket.connect(platform.sip()).expect("an address");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || ask(&socket, &told));
        Probe { stop, thread }
    }

    /// The longest silence there was, a few milliseconds of its own pace included.
    ///
    /// # Panics
    /// When the probe itself did.
    pub fn longest_silence(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the probe")
    }
}

fn ask(socket: &UdpSocket, stop: &AtomicBool) -> Duration {
    let me = socket.local_addr().expect("an address of its own");
    let (mut longest, mut last, mut number) = (Duration::ZERO, Instant::now(), 0);
    let mut room = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let options = format!(
            "OPTIONS sip:test.example SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKprobe{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:probe@test.example>;tag=p\r\nTo: <sip:test.example>\r\n\
             Call-ID: probe{number}@{me}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        let _ = socket.send(options.as_bytes());
        loop {
            match socket.recv(&mut room) {
                Ok(_) => {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(_) => {}
            }
        }
    }
    longest.max(last.elapsed())
}
