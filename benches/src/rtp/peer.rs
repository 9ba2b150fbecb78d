//! rtpengine in userspace, driven over its `ng` protocol.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::bencode::{dictionary, find};
use crate::Trouble;

const CONFIGURATION: &str = "benches/rtpengine/rtpengine.conf";
const CONTROL: &str = "127.0.0.1:22222";

/// rtpengine at work.
#[derive(Debug)]
pub(crate) struct Rtpengine {
    child: Child,
    control: UdpSocket,
    cookie: u64,
}

impl Rtpengine {
    pub(crate) fn start() -> Result<Self, Trouble> {
        let child = Command::new("rtpengine")
            .args(["--config-file", CONFIGURATION, "--config-section", "rtpengine"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("rtpengine: {error} (Debian's package is rtpengine-daemon)"))?;
        let control = UdpSocket::bind("127.0.0.1:0")?;
        control.connect(CONTROL)?;
        control.set_read_timeout(Some(Duration::from_millis(300)))?;
        let mut peer = Rtpengine { child, control, cookie: 0 };
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if peer.ask(&[("command", "ping")]).is_ok_and(|answer| find(&answer, "result") == Some(b"pong")) {
                return Ok(peer);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("rtpengine does not answer".into())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ask(&mut self, entries: &[(&str, &str)]) -> Result<Vec<u8>, Trouble> {
        self.cookie += 1;
        let cookie = format!("{} ", self.cookie);
        self.control.send(&[cookie.as_bytes(), &dictionary(entries)].concat())?;
        let mut buffer = [0; 8192];
        loop {
            let length = self.control.recv(&mut buffer)?;
            if let Some(answer) = buffer[..length].strip_prefix(cookie.as_bytes()) {
                return Ok(answer.to_vec());
            }
        }
    }

    /// An offer and an answer for each two phones; where each phone sends to.
    pub(crate) fn connect(&mut self, phones: &[SocketAddr]) -> Result<Vec<SocketAddr>, Trouble> {
        let mut legs = Vec::with_capacity(phones.len());
        for (call, phones) in phones.chunks_exact(2).enumerate() {
            let id = format!("bench-{}-{call}", std::process::id());
            let common = [("call-id", id.as_str()), ("from-tag", "alice")];
            let (alice, bob) = (sdp(phones[0]), sdp(phones[1]));
            let offer = [("command", "offer"), ("sdp", alice.as_str())];
            // What the callee is offered is where the callee sends to.
            let to_callee = port(&self.ask(&[&common[..], &offer].concat())?)?;
            let answer = [("command", "answer"), ("to-tag", "bob"), ("sdp", bob.as_str())];
            let to_caller = port(&self.ask(&[&common[..], &answer].concat())?)?;
            legs.extend([to_caller, to_callee]);
        }
        Ok(legs)
    }
}

fn sdp(phone: SocketAddr) -> String {
    let (ip, port) = (phone.ip(), phone.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    )
}

/// The port of the audio stream in an answer.
fn port(answer: &[u8]) -> Result<SocketAddr, Trouble> {
    let said = || String::from_utf8_lossy(answer).into_owned();
    let sdp = find(answer, "sdp").ok_or_else(|| format!("rtpengine answered {}", said()))?;
    let sdp = String::from_utf8_lossy(sdp);
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=audio "));
    let port = line.and_then(|line| line.split(' ').next()?.parse().ok());
    Ok(SocketAddr::from(([127, 0, 0, 1], port.ok_or_else(|| format!("no port in {sdp}"))?)))
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
