//! Phones that register over and over: challenged once, then with the nonce that they have.

use std::net::SocketAddr;
use std::ops::Range;

use super::digest::{Asked, Credentials};
use super::drive::{Counts, Load};
use super::resend::{Resend, TRIES};
use super::text::{branch, put_decimal, put_hex, quoted, status};
use super::wire::{Ear, Mouth};

/// Who registers where.
#[derive(Clone, Debug)]
pub(crate) struct Registering {
    pub(crate) server: SocketAddr,
    /// The SIP domain, which is the realm.
    pub(crate) domain: String,
    /// Numbers of the users; all have the password `secret`.
    pub(crate) users: Range<u32>,
    /// Phones that each user has.
    pub(crate) phones_each: u32,
    /// The sockets that they share.
    pub(crate) sockets: Range<usize>,
}

#[derive(Debug)]
struct Phone {
    credentials: Credentials,
    cseq: u32,
    /// When the request was first sent that waits for an answer.
    since: Option<u64>,
    challenges: u8,
}

/// The phones.
#[derive(Debug)]
pub(crate) struct Registrations {
    what: Registering,
    uri: Vec<u8>,
    places: Vec<String>,
    phones: Vec<Phone>,
    next: usize,
    open: usize,
    resend: Resend<(u32, u32)>,
    counts: Counts,
}

impl Registrations {
    /// `places` are where the sockets are.
    pub(crate) fn new(what: Registering, places: &[SocketAddr]) -> Self {
        let users = what.users.len() as u32;
        let phones = (0..users * what.phones_each)
            .map(|phone| {
                let user = format!("u{}", what.users.start + phone % users);
                let credentials = Credentials::new(&user, &what.domain, "secret");
                Phone { credentials, cseq: 0, since: None, challenges: 0 }
            })
            .collect();
        Registrations {
            uri: format!("sip:{}", what.domain).into_bytes(),
            places: places.iter().map(ToString::to_string).collect(),
            what,
            phones,
            next: 0,
            open: 0,
            resend: Resend::default(),
            counts: Counts::default(),
        }
    }

    /// How many phones there are.
    pub(crate) fn len(&self) -> u64 {
        self.phones.len() as u64
    }

    fn user(&self, phone: u32) -> u32 {
        self.what.users.start + phone % self.what.users.len() as u32
    }

    /// Sends what the phone has to say: a new request, or the last one again.
    fn say(&mut self, number: u32, mouth: &mut Mouth) {
        let user = self.user(number);
        let sockets = &self.what.sockets;
        let socket = sockets.start + number as usize % sockets.len();
        let phone = &mut self.phones[number as usize];
        let (uri, place, domain) = (&self.uri, self.places[socket].as_bytes(), self.what.domain.as_bytes());
        mouth.say(socket, self.what.server, |out| {
            let put =
                |out: &mut Vec<u8>, pieces: &[&[u8]]| pieces.iter().for_each(|it| out.extend_from_slice(it));
            put(out, &[b"REGISTER ", uri, b" SIP/2.0\r\nVia: SIP/2.0/UDP ", place, b";rport;branch=z9hG4bK"]);
            put_hex(out, number);
            out.push(b'x');
            put_hex(out, phone.cseq);
            put(out, &[b"\r\nMax-Forwards: 70\r\nFrom: <sip:u"]);
            put_decimal(out, user);
            put(out, &[b"@", domain, b">;tag=r"]);
            put_hex(out, number);
            put(out, &[b"\r\nTo: <sip:u"]);
            put_decimal(out, user);
            put(out, &[b"@", domain, b">\r\nCall-ID: 5f0b7c2e9d41"]);
            put_hex(out, number);
            put(out, &[b"@", place, b"\r\nCSeq: "]);
            put_decimal(out, phone.cseq);
            put(out, &[b" REGISTER\r\nContact: <sip:u"]);
            put_decimal(out, user);
            out.push(b'-');
            put_hex(out, number);
            put(out, &[b"@", place, b">\r\nExpires: 3600\r\nUser-Agent: strowger-benches\r\n"]);
            if phone.credentials.has_nonce() {
                let asked = Asked { method: b"REGISTER", uri, realm: domain };
                phone.credentials.write(out, "Authorization", &asked, |out| {
                    out.push(b'u');
                    put_decimal(out, user);
                });
            }
            put(out, &[b"Content-Length: 0\r\n\r\n"]);
        });
    }

    /// A new request of the phone.
    fn ask(&mut self, number: u32, now: u64, mouth: &mut Mouth) {
        self.phones[number as usize].cseq += 1;
        self.say(number, mouth);
        self.resend.sent(now, 0, (number, self.phones[number as usize].cseq));
    }

    fn over(&mut self, number: u32) {
        self.phones[number as usize].since = None;
        self.open -= 1;
    }
}

impl Ear for Registrations {
    fn hear(&mut self, now: u64, _socket: usize, _from: SocketAddr, bytes: &[u8], mouth: &mut Mouth) {
        let (Some(status), Some([number, cseq])) = (status(bytes), branch(bytes)) else { return };
        let Some(phone) = self.phones.get_mut(number as usize) else { return };
        let Some(since) = phone.since.filter(|_| phone.cseq == cseq && status >= 200) else { return };
        if status == 401 && phone.challenges < 2 {
            let taken = quoted(bytes, b"nonce").is_some_and(|nonce| phone.credentials.challenged(nonce));
            if taken {
                phone.challenges += 1;
                self.counts.challenged += 1;
                return self.ask(number, now, mouth);
            }
        }
        if status == 200 {
            self.counts.done += 1;
            self.counts.delays.note(now - since);
        } else {
            self.counts.refused += 1;
        }
        self.over(number);
    }
}

impl Load for Registrations {
    fn begin(&mut self, now: u64, mouth: &mut Mouth) {
        let number = self.next as u32;
        self.next = (self.next + 1) % self.phones.len();
        self.counts.offered += 1;
        let phone = &mut self.phones[number as usize];
        if phone.since.is_some() {
            // Still busy with the last time: that one is lost to the measurement.
            self.counts.lost += 1;
            self.open -= 1;
        }
        phone.since = Some(now);
        phone.challenges = 0;
        self.open += 1;
        self.ask(number, now, mouth);
    }

    fn tick(&mut self, now: u64, mouth: &mut Mouth) {
        while let Some((tries, (number, cseq))) = self.resend.due(now) {
            let phone = &mut self.phones[number as usize];
            if phone.since.is_none() || phone.cseq != cseq {
                continue;
            }
            if tries > TRIES {
                self.counts.lost += 1;
                self.over(number);
                continue;
            }
            self.counts.again += 1;
            phone.credentials.repeat();
            self.say(number, mouth);
            self.resend.sent(now, tries, (number, cseq));
        }
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn open(&self) -> usize {
        self.open
    }

    fn forget(&mut self) {
        for number in 0..self.phones.len() {
            if self.phones[number].since.is_some() {
                self.counts.lost += 1;
                self.over(number as u32);
            }
        }
    }
}
