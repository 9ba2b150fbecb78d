//! One TOML file says it all; every key has a default, unknown ones are refused.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use machine::Failpoint;
use serde::{Deserialize, Serialize};

/// The whole configuration of a platform on one host.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the store, the disk logs and the keys live.
    pub(crate) data: PathBuf,
    /// Where journals and sockets live: a folder on tmpfs. Empty: one below /dev/shm, named by `data`.
    pub(crate) runtime: PathBuf,
    pub(crate) log: Log,
    pub(crate) sip: Sip,
    pub(crate) signalling: Signalling,
    pub(crate) registrar: Registrar,
    pub(crate) call: Call,
    pub(crate) media: Media,
    pub(crate) supervisor: Supervisor,
    pub(crate) billing: Billing,
    pub(crate) api: Api,
    /// Faults planted on purpose, for drills: `[[failpoints]] dialed = "...", fault = "panic"`.
    pub(crate) failpoints: Vec<Failpoint>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,exchange=debug`.
    pub(crate) level: String,
    /// `text` or `json`.
    pub(crate) format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sip {
    /// `udp:ADDRESS:PORT` and `tcp:ADDRESS:PORT`, IPv6 addresses in brackets.
    pub(crate) listen: Vec<Listen>,
    /// The host that phones are told, if it is another than the one we hear on.
    pub(crate) public_host: String,
    /// RFC 3261's T1, milliseconds: the estimate of a round trip.
    pub(crate) t1_ms: u64,
    /// RFC 3261's T2, milliseconds: the longest pause between retransmissions.
    pub(crate) t2_ms: u64,
    /// RFC 3261's T4, milliseconds: how long a message stays in the network.
    pub(crate) t4_ms: u64,
    /// The longest message taken from a stream, bytes.
    pub(crate) longest_message: usize,
    /// Connections at one time.
    pub(crate) most_connections: usize,
    /// A connection on which nothing came for so long is closed, seconds.
    pub(crate) idle_connection_seconds: u64,
    /// `pipe`: edge and exchange of this host pass messages in memory. `tcp`: over the wire, as between hosts.
    pub(crate) hop: Hop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hop {
    Pipe,
    Tcp,
}

/// A transport and an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Listen {
    pub(crate) stream: bool,
    pub(crate) address: SocketAddr,
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("expected udp:ADDRESS:PORT or tcp:ADDRESS:PORT, read {text:?}");
        let (transport, address) = text.split_once(':').ok_or_else(wrong)?;
        let stream = match transport {
            "udp" => false,
            "tcp" => true,
            _ => return Err(wrong()),
        };
        Ok(Listen { stream, address: address.parse().map_err(|_| wrong())? })
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> String {
        format!("{}:{}", if listen.stream { "tcp" } else { "udp" }, listen.address)
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Supervisor {
    /// A worker that lived so long is started again at once when it dies; one that dies sooner, and again, after a
    /// pause that grows.
    pub(crate) settled_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Signalling {
    /// Threads, each with its own shards and journal.
    pub(crate) threads: u16,
    /// Journal of each thread, megabytes.
    pub(crate) journal_mb: usize,
    /// Ladder memory of each thread, megabytes.
    pub(crate) ladder_mb: usize,
    /// A message that waited longer than this is shed by its worth, milliseconds.
    pub(crate) shed_after_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Registrar {
    pub(crate) min_expires: u32,
    pub(crate) max_expires: u32,
    pub(crate) default_expires: u32,
    /// Phones of one user.
    pub(crate) most_contacts: usize,
    /// How long a digest nonce is good, seconds.
    pub(crate) nonce_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Call {
    /// How long phones ring, seconds.
    pub(crate) ring_seconds: u64,
    /// RFC 4028: how often a call proves that it lives, seconds.
    pub(crate) session_expires: u32,
    /// RFC 4028: what we accept at least, seconds.
    pub(crate) min_se: u32,
    /// A call without RTP for so long, and not on hold, is ended, seconds; 0: never.
    pub(crate) inactivity_seconds: u64,
    /// How long a call goes on when billing can't be reached, seconds.
    pub(crate) offline_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Media {
    /// The address that media ports are bound to. Empty: as the first SIP listener.
    pub(crate) address: String,
    /// The first port, even; each leg borrows two.
    pub(crate) first_port: u16,
    /// How many legs there can be at one time.
    pub(crate) legs: u16,
    pub(crate) threads: u16,
    /// The journal, megabytes.
    pub(crate) journal_mb: usize,
    /// A folder with WAV prompts besides those built in.
    pub(crate) prompts: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Billing {
    /// ISO 4217.
    pub(crate) currency: String,
    /// Millionths of the currency's unit a minute.
    pub(crate) micros_per_minute: i64,
    /// What is begun of so many seconds is charged whole.
    pub(crate) step_seconds: u32,
    /// What one reservation covers, seconds.
    pub(crate) reserve_seconds: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: "data".into(),
            runtime: PathBuf::new(),
            log: Log::default(),
            sip: Sip::default(),
            signalling: Signalling::default(),
            registrar: Registrar::default(),
            call: Call::default(),
            media: Media::default(),
            supervisor: Supervisor::default(),
            billing: Billing::default(),
            api: Api::default(),
            failpoints: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), format: LogFormat::Text }
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Supervisor { settled_ms: 5_000 }
    }
}

impl Default for Sip {
    fn default() -> Self {
        let listen = |stream| Listen { stream, address: ([0, 0, 0, 0], 5060).into() };
        Sip {
            listen: vec![listen(false), listen(true)],
            public_host: String::new(),
            t1_ms: 500,
            t2_ms: 4000,
            t4_ms: 5000,
            longest_message: 65_535,
            most_connections: 4_000,
            idle_connection_seconds: 900,
            hop: Hop::Pipe,
        }
    }
}

impl Default for Signalling {
    fn default() -> Self {
        Signalling { threads: 1, journal_mb: 256, ladder_mb: 16, shed_after_ms: 200 }
    }
}

impl Default for Registrar {
    fn default() -> Self {
        Registrar {
            min_expires: 60,
            max_expires: 7200,
            default_expires: 3600,
            most_contacts: 10,
            nonce_seconds: 300,
        }
    }
}

impl Default for Call {
    fn default() -> Self {
        Call {
            ring_seconds: 60,
            session_expires: 1800,
            min_se: 90,
            inactivity_seconds: 60,
            offline_seconds: 600,
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Media {
            address: String::new(),
            first_port: 30_000,
            legs: 1_000,
            threads: 1,
            journal_mb: 32,
            prompts: PathBuf::new(),
        }
    }
}

impl Default for Billing {
    fn default() -> Self {
        Billing { currency: "EUR".into(), micros_per_minute: 10_000, step_seconds: 1, reserve_seconds: 60 }
    }
}

impl Default for Api {
    fn default() -> Self {
        Api { listen: ([127, 0, 0, 1], 8080).into() }
    }
}

impl Config {
    /// What the parts say about each other; each line names the key.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |wrong: bool, what: &str| {
            if wrong {
                found.push(what.to_owned());
            }
        };
        say(self.sip.listen.is_empty(), "sip.listen: expected at least one listener");
        say(self.sip.listen.len() > 200, "sip.listen: expected at most 200 listeners");
        say(self.sip.t1_ms == 0, "sip.t1_ms: expected at least 1");
        say(!(1..=64).contains(&self.signalling.threads), "signalling.threads: expected 1 to 64");
        say(self.signalling.journal_mb < 4, "signalling.journal_mb: expected at least 4");
        say(
            self.registrar.min_expires > self.registrar.max_expires,
            "registrar.min_expires: expected no more than registrar.max_expires",
        );
        say(self.call.min_se < 90, "call.min_se: expected at least 90 (RFC 4028 4)");
        say(
            self.call.session_expires < self.call.min_se,
            "call.session_expires: expected at least call.min_se",
        );
        say(!self.media.first_port.is_multiple_of(2), "media.first_port: expected an even port");
        say(
            u32::from(self.media.first_port) + 2 * u32::from(self.media.legs) > 65_536,
            "media.legs: expected media.first_port + 2 * media.legs to be at most 65536",
        );
        let address = &self.media.address;
        say(
            !address.is_empty() && address.parse::<IpAddr>().is_err(),
            "media.address: expected an IP address, or nothing",
        );
        say(self.media.legs > 7_000, "media.legs: expected at most 7000 (descriptors of one process)");
        say(self.billing.step_seconds == 0, "billing.step_seconds: expected at least 1");
        say(self.billing.reserve_seconds < 10, "billing.reserve_seconds: expected at least 10");
        say(self.billing.currency.len() != 3, "billing.currency: expected three letters (ISO 4217)");
        found
    }

    /// RFC 3261's timers as values.
    pub(crate) fn t1(&self) -> Duration {
        Duration::from_millis(self.sip.t1_ms)
    }

    /// The address that the media ports are bound to.
    pub(crate) fn media_bind(&self) -> IpAddr {
        let first =
            self.sip.listen.first().map_or(IpAddr::from([127, 0, 0, 1]), |listen| listen.address.ip());
        self.media.address.parse().unwrap_or(first)
    }

    /// The address that phones are told for their audio, if it is another than the ports are bound to.
    pub(crate) fn media_public(&self) -> Option<IpAddr> {
        let bound = self.media_bind();
        match self.sip.public_host.parse() {
            Ok(public) => Some(public),
            Err(_) if bound.is_unspecified() => crate::serve::outward_address(bound.is_ipv6()),
            Err(_) => None,
        }
    }
}
