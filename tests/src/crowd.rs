use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::platform::Platform;

/// Requests under way at one time: enough to keep a server busy, too few to make it shed.
const WINDOW: usize = 100;
/// A request without an answer is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// No step of the crowd may take longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Any number of users, `u000000` and on, with one phone each, that all share a socket.
#[derive(Debug)]
pub struct Crowd {
    socket: UdpSocket,
    me: SocketAddr,
    ha1: String,
    users: usize,
}

/// What a phone of the crowd wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Its contact is to be bound.
    Bind,
    /// It asks which contacts are.
    Ask,
}

/// One phone's request, and what it knows of the server.
#[derive(Clone, Debug, Default)]
struct Asking {
    nonce: Option<String>,
    cseq: u32,
    sent: Option<Instant>,
    tries: u8,
}

impl Crowd {
    /// Puts `users` accounts into the platform's store. They are copies of one account with another name; what
    /// proves the name is the copied HA1, which is all that a store has of a password.
    ///
    /// # Panics
    /// When the store does not take them.
    pub fn of(platform: &Platform, users: usize) -> Crowd {
        platform.add_user("test", "crowd");
        let store = platform.folder().join("data/strowger.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let copied = runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(store).busy_timeout(Duration::from_secs(10));
            let mut connection = SqliteConnection::connect_with(&options).await?;
            let copied = sqlx::query(
                "WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < ?) \
                 INSERT INTO users (tenant, name, realm, ha1_md5, ha1_sha256, display_name, blocked, direct_media, created) \
                 SELECT tenant, printf('u%06d', n), realm, ha1_md5, ha1_sha256, display_name, blocked, direct_media, created \
                 FROM users, series WHERE name = 'crowd'",
            )
            .bind(i64::try_from(users).unwrap_or(i64::MAX))
            .execute(&mut connection)
            .await?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(copied.rows_affected())
        });
        assert_eq!(copied.expect("the store takes them"), users as u64);
        let socket = UdpSocket::bind((platform.address(), 0)).expect("a socket");
        socket.connect(platform.sip()).expect("the platform's address");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let me = socket.local_addr().expect("an address of its own");
        Crowd { socket, me, ha1: md5("crowd:test.example:secret-crowd"), users }
    }

    /// All of them register.
    ///
    /// # Panics
    /// When one can't.
    pub fn register(&self) {
        self.all(Wish::Bind, &(0..self.users).collect::<Vec<_>>());
    }

    /// Asks about every `nth` of them; all must still be bound.
    ///
    /// # Panics
    /// When one is not.
    pub fn is_registered(&self, nth: usize) {
        self.all(Wish::Ask, &(0..self.users).step_by(nth).collect::<Vec<_>>());
    }

    fn all(&self, wish: Wish, users: &[usize]) {
        let began = Instant::now();
        let mut phones = vec![Asking::default(); users.len()];
        let mut waiting: VecDeque<usize> = VecDeque::new();
        let (mut next, mut done) = (0, 0);
        let mut room = [0; 4096];
        while done < users.len() {
            assert!(began.elapsed() < PATIENCE, "{done} of {} have got an answer", users.len());
            while next < users.len() && next - done < WINDOW {
                self.say(wish, users[next], &mut phones[next]);
                waiting.push_back(next);
                next += 1;
            }
            match self.socket.recv(&mut room) {
                Ok(length) => {
                    let answer = String::from_utf8_lossy(&room[..length]);
                    let place =
                        number_after(&answer, "Call-ID: ").and_then(|user| users.binary_search(&user).ok());
                    if let Some(place) = place {
                        done += usize::from(self.heard(wish, users[place], &mut phones[place], &answer));
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("the crowd's socket: {error}"),
            }
            while let Some(&place) = waiting.front() {
                match phones[place].sent {
                    None => drop(waiting.pop_front()),
                    Some(sent) if sent.elapsed() > AGAIN => {
                        phones[place].tries += 1;
                        assert!(phones[place].tries < 40, "user {} gets no answer", users[place]);
                        self.say(wish, users[place], &mut phones[place]);
                        waiting.rotate_left(1);
                    }
                    Some(_) => break,
                }
            }
        }
    }

    /// Whether that was the answer it waits for.
    fn heard(&self, wish: Wish, user: usize, phone: &mut Asking, answer: &str) -> bool {
        if phone.sent.is_none() || number_after(answer, "CSeq: ") != Some(phone.cseq as usize) {
            return false;
        }
        match answer.get(8..11) {
            Some("200") => {
                let bound = answer.contains(&format!("sip:u{user:06}@{}", self.me));
                assert!(bound, "user {user} is not bound ({wish:?}): {answer}");
                phone.sent = None;
                true
            }
            Some("401") => {
                let nonce = answer.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
                phone.nonce = nonce.map(str::to_owned);
                self.say(wish, user, phone);
                false
            }
            // Shed: it tries again in a while.
            Some("503" | "500") => false,
            _ => panic!("user {user} is refused: {answer}"),
        }
    }

    fn say(&self, wish: Wish, user: usize, phone: &mut Asking) {
        phone.cseq += 1;
        phone.sent = Some(Instant::now());
        let (me, cseq) = (self.me, phone.cseq);
        let wanted = if wish == Wish::Bind { "bind" } else { "ask" };
        let mut request = format!(
            "REGISTER sip:test.example SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{wanted}{user}x{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:u{user:06}@test.example>;tag={user}\r\n\
             To: <sip:u{user:06}@test.example>\r\nCall-ID: {user}-{wanted}@{me}\r\nCSeq: {cseq} REGISTER\r\n"
        );
        if wish == Wish::Bind {
            let _ = write!(request, "Contact: <sip:u{user:06}@{me}>\r\nExpires: 3600\r\n");
        }
        if let Some(nonce) = &phone.nonce {
            let ha2 = md5("REGISTER:sip:test.example");
            let response = md5(&format!("{}:{nonce}:{cseq:08x}:c{user}:auth:{ha2}", self.ha1));
            let _ = write!(
                request,
                "Authorization: Digest username=\"u{user:06}\", realm=\"test.example\", nonce=\"{nonce}\", \
                 uri=\"sip:test.example\", response=\"{response}\", algorithm=MD5, cnonce=\"c{user}\", qop=auth, nc={cseq:08x}\r\n"
            );
        }
        request.push_str("Content-Length: 0\r\n\r\n");
        let _ = self.socket.send(request.as_bytes());
    }
}

/// The number that follows `name`.
fn number_after(text: &str, name: &str) -> Option<usize> {
    let digits = text.split(name).nth(1)?;
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

pub(crate) fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
