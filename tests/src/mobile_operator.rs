//! A stand-in for a mobile operator: it takes registrations and calls of phones that reach nobody else, says back what it
//! hears, and writes a line for each call into a file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The operator, until it is dropped.
#[derive(Debug)]
pub struct MobileOperator {
    address: SocketAddr,
    file: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A call that it has taken.
#[derive(Debug)]
struct Call {
    caller: String,
    dialed: String,
    began: Instant,
    start: u64,
    answer: Vec<u8>,
    audio: UdpSocket,
}

impl MobileOperator {
    /// Hears SIP at `address`, and writes its file to `file`: `id,caller,dialed,start,seconds`.
    ///
    /// # Panics
    /// When the address is taken.
    pub fn at(address: SocketAddr, file: &Path) -> MobileOperator {
        let socket = UdpSocket::bind(address).expect("the operator's address is free");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a socket with a time limit");
        let stop = Arc::new(AtomicBool::new(false));
        let (told, path) = (stop.clone(), file.to_owned());
        let thread = std::thread::spawn(move || {
            let mut calls = BTreeMap::new();
            while !told.load(Ordering::Relaxed) {
                turn(&socket, &mut calls, &path);
            }
        });
        MobileOperator { address, file: file.to_owned(), stop, thread: Some(thread) }
    }

    /// Where it hears SIP.
    pub fn sip(&self) -> SocketAddr {
        self.address
    }

    /// The calls that it has written down so far.
    pub fn written(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }
}

impl Drop for MobileOperator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(!matches!(ended, Some(Err(_))) || std::thread::panicking(), "the operator failed");
    }
}

fn turn(socket: &UdpSocket, calls: &mut BTreeMap<String, Call>, file: &Path) {
    let mut room = [0; 8192];
    for call in calls.values() {
        while let Ok((length, from)) = call.audio.recv_from(&mut room) {
            let _ = call.audio.send_to(&room[..length], from);
        }
    }
    let Ok((length, from)) = socket.recv_from(&mut room) else { return };
    let text = String::from_utf8_lossy(&room[..length]).into_owned();
    let id = header(&text, "Call-ID");
    match text.split(' ').next().unwrap_or_default() {
        "REGISTER" => {
            let contact = format!("Contact: {};expires=300\r\n", header(&text, "Contact"));
            say(socket, from, &respond(&text, &contact, ""));
        }
        "INVITE" => {
            if !calls.contains_key(&id) {
                let Some(call) = take(socket, &text) else { return };
                calls.insert(id.clone(), call);
            }
            say(socket, from, &calls[&id].answer);
        }
        "BYE" => {
            say(socket, from, &respond(&text, "", ""));
            if let Some(call) = calls.remove(&id) {
                write(&id, &call, file);
            }
        }
        _ => {}
    }
}

fn take(socket: &UdpSocket, invite: &str) -> Option<Call> {
    let here = socket.local_addr().ok()?;
    let audio = UdpSocket::bind((here.ip(), 0)).ok()?;
    audio.set_nonblocking(true).ok()?;
    let (ip, port) = (here.ip(), audio.local_addr().ok()?.port());
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    );
    let more = format!("Contact: <sip:mno@{here}>\r\nContent-Type: application/sdp\r\n");
    let uri =
        |text: &str| text.split(['<', '>']).nth(1).unwrap_or(text).trim_start_matches("sip:").to_owned();
    let dialed = uri(invite.split(' ').nth(1)?).split('@').next()?.to_owned();
    let start = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let caller = uri(&header(invite, "From"));
    Some(Call { caller, dialed, began: Instant::now(), start, answer: respond(invite, &more, &body), audio })
}

/// 200 with what a response repeats of its request.
fn respond(request: &str, more: &str, body: &str) -> Vec<u8> {
    let mut text = "SIP/2.0 200 OK\r\n".to_owned();
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "via" | "from" | "call-id" | "cseq" => text += &format!("{line}\r\n"),
            "to" if line.contains("tag=") => text += &format!("{line}\r\n"),
            "to" => text += &format!("{line};tag=mno\r\n"),
            _ => {}
        }
    }
    text += &format!("{more}Content-Length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

fn header(message: &str, name: &str) -> String {
    let found = message.lines().find_map(|line| {
        let (other, value) = line.split_once(':')?;
        other.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    found.unwrap_or_default()
}

fn say(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) {
    let _ = socket.send_to(bytes, to);
}

fn write(id: &str, call: &Call, file: &Path) {
    let seconds = call.began.elapsed().as_secs_f64().ceil();
    let line = format!("{id},{},{},{},{seconds}\n", call.caller, call.dialed, call.start);
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
    opened.and_then(|mut file| file.write_all(line.as_bytes())).expect("the operator's file");
}
