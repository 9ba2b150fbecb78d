use std::net::SocketAddr;
use std::time::Duration;

use sip::Status;
use sip::leg::LegTiming;

/// How the phone reaches its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transport {
    /// Datagrams.
    #[default]
    Udp,
    /// A stream.
    Tcp,
}

/// What the phone does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCall {
    /// Rings until it is told to answer.
    Ring,
    /// Rings for so long, and answers.
    Answer(Duration),
    /// Refuses.
    Refuse(Status),
}

/// Who a phone is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The user part of its address-of-record.
    pub user: String,
    /// The SIP domain.
    pub domain: String,
    /// For digests; none if it has no password.
    pub password: Option<String>,
    /// Where its SIP is heard, as it is written into Via and Contact.
    pub local: SocketAddr,
    /// How it reaches the exchange.
    pub transport: Transport,
    /// Where it hears RTP, one address for each call it can have at a time; RTCP is one port further.
    pub audio: Vec<SocketAddr>,
    /// For how long it asks to be registered, seconds.
    pub expires: u32,
    /// What it does when it is called.
    pub on_call: OnCall,
    /// What it says, 8 kHz; over and over. Empty: silence.
    pub voice: Vec<i16>,
    /// Keep what is heard, up to so many samples.
    pub record: usize,
    /// SIP timers.
    pub timing: LegTiming,
    /// Makes its identifiers differ from those of others.
    pub seed: u64,
}

impl Settings {
    /// A phone of `user` at `domain` with the usual settings.
    pub fn new(user: &str, domain: &str, local: SocketAddr, audio: Vec<SocketAddr>) -> Self {
        Settings {
            user: user.to_owned(),
            domain: domain.to_owned(),
            password: None,
            local,
            transport: Transport::Udp,
            audio,
            expires: 300,
            on_call: OnCall::Ring,
            voice: Vec::new(),
            record: 0,
            timing: LegTiming { session_expires: None, ..LegTiming::default() },
            seed: 0,
        }
    }

    pub(crate) fn contact(&self) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:{}@{}>", self.user, self.local),
            Transport::Tcp => format!("<sip:{}@{};transport=tcp>", self.user, self.local),
        }
    }

    pub(crate) fn via(&self) -> &'static str {
        match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }

    pub(crate) fn is_reliable(&self) -> bool {
        self.transport == Transport::Tcp
    }
}

/// Texts that nobody else uses, without randomness: a seed and a count.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    seed: u64,
    count: u64,
}

impl Names {
    pub(crate) fn new(seed: u64) -> Self {
        Names { seed: mix(seed ^ 0x9E37_79B9_7F4A_7C15), count: 0 }
    }

    pub(crate) fn next(&mut self) -> String {
        format!("{:016x}", self.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.count += 1;
        mix(self.seed.wrapping_add(self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
