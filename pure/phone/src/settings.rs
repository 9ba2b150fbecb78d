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

/// How digits are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Digits {
    /// As events (RFC 4733) if the other side takes them, else by INFO.
    #[default]
    Auto,
    /// By INFO (`application/dtmf-relay`) in any case.
    Info,
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
    /// How many servers it may choose from, the dearest first; when one doesn't answer, it turns to the next
    /// (`Event::Server`).
    pub servers: usize,
    /// A server that says nothing to a REGISTER or an INVITE for so long is left for the next one, if there is one.
    pub patience: Duration,
    /// Away from the first server, it looks so often whether that one is back: after half of it to all of it, so that
    /// those who left together don't come back together.
    pub homesick: Duration,
    /// Where it hears RTP, one address for each call it can have at a time; RTCP is one port further.
    pub audio: Vec<SocketAddr>,
    /// For how long it asks to be registered, seconds.
    pub expires: u32,
    /// What it does when it is called.
    pub on_call: OnCall,
    /// It hangs up so long after the call came up.
    pub talk: Option<Duration>,
    /// What it says, 8 kHz; over and over. Empty: silence.
    pub voice: Vec<i16>,
    /// It sends no audio at all: for who wants thousands of them.
    pub mute: bool,
    /// Keep what is heard, up to so many samples.
    pub record: usize,
    /// How digits are sent.
    pub digits: Digits,
    /// It tells how well a call is heard so often (`Event::Heard`).
    pub report: Option<Duration>,
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
            servers: 1,
            patience: Duration::from_secs(4),
            homesick: Duration::from_secs(60),
            audio,
            expires: 300,
            on_call: OnCall::Ring,
            talk: None,
            voice: Vec::new(),
            mute: false,
            record: 0,
            digits: Digits::Auto,
            report: None,
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
