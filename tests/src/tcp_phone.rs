use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::crowd::md5;
use crate::platform::Platform;

/// A phone that speaks SIP over TCP line by line as the test says, listens at its Contact, and sends back all
/// sound that it hears.
#[derive(Debug)]
pub struct TcpPhone {
    user: String,
    server: SocketAddr,
    listener: TcpListener,
    stream: TcpStream,
    unread: Vec<u8>,
    echo: Echo,
    invite: String,
    cseq: u32,
}

#[derive(Debug)]
struct Echo {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TcpPhone {
    /// `user` of the tenant `test`, connected and registered.
    ///
    /// # Panics
    /// When it can't connect or register, as in all it does.
    pub fn registered(platform: &Platform, user: &str) -> TcpPhone {
        let listener = TcpListener::bind((platform.address(), 0)).expect("a port to listen on");
        listener.set_nonblocking(true).expect("a listener that does not wait");
        let mut phone = TcpPhone {
            user: user.to_owned(),
            server: platform.sip(),
            listener,
            stream: connect(platform.sip()),
            unread: Vec::new(),
            echo: Echo::start(platform),
            invite: String::new(),
            cseq: 0,
        };
        phone.register();
        phone
    }

    fn contact(&self) -> String {
        let address = self.listener.local_addr().expect("its own address");
        format!("<sip:{}@{address};transport=tcp>", self.user)
    }

    fn register(&mut self) {
        let challenge = self.ask_to_register("");
        let nonce = challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
        let nonce = nonce.unwrap_or_else(|| panic!("no challenge: {challenge}"));
        let user = &self.user;
        let ha1 = md5(&format!("{user}:test.example:secret-{user}"));
        let ha2 = md5("REGISTER:sip:test.example");
        let response = md5(&format!("{ha1}:{nonce}:00000001:c:auth:{ha2}"));
        let answer = self.ask_to_register(&format!(
            "Authorization: Digest username=\"{user}\", realm=\"test.example\", nonce=\"{nonce}\", \
             uri=\"sip:test.example\", response=\"{response}\", algorithm=MD5, cnonce=\"c\", qop=auth, nc=00000001\r\n"
        ));
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    fn ask_to_register(&mut self, more: &str) -> String {
        self.cseq += 1;
        let (user, cseq, contact) = (&self.user, self.cseq, self.contact());
        let request = format!(
            "REGISTER sip:test.example SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@test.example>;tag=r\r\nTo: <sip:{user}@test.example>\r\n\
             Call-ID: reg-{user}\r\nCSeq: {cseq} REGISTER\r\nContact: {contact}\r\nExpires: 600\r\n{more}\
             Content-Length: 0\r\n\r\n",
            self.via()
        );
        self.say(&request);
        self.hear().expect("an answer to the REGISTER")
    }

    fn via(&self) -> String {
        let me = self.stream.local_addr().expect("its own address");
        format!("SIP/2.0/TCP {me};branch=z9hG4bK{}{}", self.user, self.cseq)
    }

    fn say(&mut self, message: &str) {
        self.stream.write_all(message.as_bytes()).expect("the connection takes it");
    }

    /// The next message on the connection; none if it is closed.
    fn hear(&mut self) -> Option<String> {
        let mut room = [0; 4096];
        loop {
            if let Some(message) = self.cut() {
                return Some(message);
            }
            match self.stream.read(&mut room) {
                Ok(0) => return None,
                Ok(length) => self.unread.extend_from_slice(&room[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{} waits for a message: {error}", self.user),
            }
        }
    }

    fn cut(&mut self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.unread).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = headers(head, "Content-Length").first()?.trim().parse::<usize>().ok()?;
        (body.len() >= length).then(|| {
            let whole = head.len() + 4 + length;
            self.unread.drain(..whole);
            text[..whole].to_owned()
        })
    }

    fn hear_request(&mut self, method: &str) -> String {
        loop {
            let message = self.hear().unwrap_or_else(|| panic!("cut off while it waited for {method}"));
            if message.starts_with(&format!("{method} ")) {
                return message;
            }
        }
    }

    /// Waits for a call, rings and answers, and waits for the ACK.
    pub fn answers(&mut self) {
        self.invite = self.hear_request("INVITE");
        let invite = self.invite.clone();
        let contact = format!("Contact: {}\r\n", self.contact());
        self.reply(&invite, "180 Ringing", &contact, "");
        let ip = self.server.ip();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
            self.echo.port
        );
        self.reply(&invite, "200 OK", &format!("{contact}Content-Type: application/sdp\r\n"), &sdp);
        self.hear_request("ACK");
    }

    fn reply(&mut self, request: &str, status: &str, more: &str, body: &str) {
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in headers(request, name) {
                let tag = if name == "To" && !value.contains("tag=") { ";tag=theirs" } else { "" };
                let _ = write!(answer, "{name}: {value}{tag}\r\n");
            }
        }
        let _ = write!(answer, "{more}Content-Length: {}\r\n\r\n{body}", body.len());
        self.say(&answer);
    }

    /// Waits until the other side has closed the connection.
    pub fn is_cut(&mut self) {
        while self.hear().is_some() {}
    }

    /// Connects anew, from another port, and says nothing yet.
    pub fn reconnects(&mut self) {
        self.stream = connect(self.server);
        self.unread.clear();
    }

    /// Waits until somebody connects to its Contact, and goes on there.
    pub fn is_connected_to(&mut self) {
        let mut accepted = None;
        crate::eventually(Duration::from_secs(20), || {
            accepted = self.listener.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.expect("a connection to its Contact");
        stream.set_nonblocking(false).expect("a stream that waits");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        self.stream = stream;
        self.unread.clear();
    }

    /// Waits for the BYE and answers it.
    pub fn is_hung_up_on(&mut self) {
        let bye = self.hear_request("BYE");
        self.reply(&bye, "200 OK", "", "");
    }

    /// Sends the BYE of the call that it answered, and waits for its answer.
    pub fn hangs_up(&mut self) {
        self.cseq += 1;
        let header = |name| headers(&self.invite, name).into_iter().next().unwrap_or_default();
        let target = header("Contact").split(['<', '>']).nth(1).expect("who called").to_owned();
        let routes: Vec<_> = headers(&self.invite, "Record-Route");
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let request = format!(
            "BYE {target} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\n{routes}From: {};tag=theirs\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {} BYE\r\nContent-Length: 0\r\n\r\n",
            self.via(),
            header("To"),
            header("From"),
            header("Call-ID"),
            self.cseq
        );
        self.say(&request);
        let answer = self.hear().expect("an answer to the BYE");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    /// Closes everything: nobody reaches it any more, and it never said goodbye.
    pub fn vanishes(self) {}
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// The values of all header lines of this name.
fn headers<'m>(message: &'m str, name: &str) -> Vec<&'m str> {
    let lines = message.split("\r\n").take_while(|line| !line.is_empty()).skip(1);
    let named = lines.filter_map(|line| line.split_once(':'));
    named.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

impl Echo {
    fn start(platform: &Platform) -> Echo {
        let socket = UdpSocket::bind((platform.address(), 0)).expect("a port for sound");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let port = socket.local_addr().expect("its own address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut room = [0; 2048];
            while !told.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut room) {
                    let _ = socket.send_to(&room[..length], from);
                }
            }
        });
        Echo { port, stop, thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
