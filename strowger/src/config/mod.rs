//! One TOML file says it all; every key has a default, unknown ones are refused.

mod amqp;
mod cell;
mod cluster;
mod moving;
mod nats;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use contract::Role;
use machine::Failpoint;
use serde::{Deserialize, Serialize};
use sip::digest::Algorithm;

pub(crate) use amqp::Amqp;
pub(crate) use cell::Cell;
pub(crate) use cluster::{Cluster, Floating};
pub(crate) use moving::Moving;
pub(crate) use nats::Nats;

/// The whole configuration of a platform on one host.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the store, the disk logs and the keys live.
    pub(crate) data: PathBuf,
    /// Where journals and sockets live: a folder on tmpfs. Empty: one below /dev/shm, named by `data`.
    pub(crate) runtime: PathBuf,
    /// Where accounts, records and the ledger live: a file or a folder (SQLite), or PostgreSQL servers as
    /// `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE`, of which the one that is primary writes, and a replica
    /// that is at most `lag_ms` behind (a parameter, 1000) answers lists. Empty: a file in `data`.
    pub(crate) store: String,
    pub(crate) log: Log,
    pub(crate) sip: Sip,
    pub(crate) signalling: Signalling,
    pub(crate) overload: Overload,
    pub(crate) registrar: Registrar,
    pub(crate) call: Call,
    pub(crate) media: Media,
    pub(crate) supervisor: Supervisor,
    pub(crate) billing: Billing,
    pub(crate) api: Api,
    pub(crate) cluster: Cluster,
    pub(crate) cell: Cell,
    pub(crate) moving: Moving,
    pub(crate) nats: Nats,
    pub(crate) amqp: Amqp,
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
    /// Who is shed may come back after so many seconds, and at most twice of it.
    pub(crate) retry_after_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Overload {
    /// What is dialed in an emergency: such calls are never shed.
    pub(crate) emergency: Vec<String>,
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
    /// What passwords are proven with, the best first: `MD5`, `SHA-256` (RFC 8760). Many phones (baresip 1.0 among
    /// them) give up as soon as one of several challenges is not MD5: so MD5 alone is offered, unless an operator
    /// knows all phones.
    pub(crate) algorithms: Vec<String>,
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
    /// How long a call goes on when billing can't be reached, or billing can't reach the store and knows nothing of
    /// who pays, seconds.
    pub(crate) offline_seconds: u64,
    /// How long an answer is said again to a phone that never says ACK, before its call is ended, seconds;
    /// 0: 64 times T1.
    pub(crate) ack_wait_seconds: u64,
    /// How long a phone that says nothing to our BYE is waited for, seconds; 0: 64 times T1.
    pub(crate) bye_wait_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Media {
    /// The address that media ports are bound to. Empty: as the first SIP listener. Where phones are heard on both
    /// IPv4 and IPv6, the other family's ports are bound as its first SIP listener, under the same numbers.
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
            store: String::new(),
            log: Log::default(),
            sip: Sip::default(),
            signalling: Signalling::default(),
            overload: Overload::default(),
            registrar: Registrar::default(),
            call: Call::default(),
            media: Media::default(),
            supervisor: Supervisor::default(),
            billing: Billing::default(),
            api: Api::default(),
            cluster: Cluster::default(),
            cell: Cell::default(),
            moving: Moving::default(),
            nats: Nats::default(),
            amqp: Amqp::default(),
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
        Supervisor { settled_ms: 1_000 }
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
        Signalling { threads: 1, journal_mb: 128, ladder_mb: 16, shed_after_ms: 200, retry_after_seconds: 5 }
    }
}

impl Default for Overload {
    fn default() -> Self {
        Overload { emergency: vec!["112".into(), "911".into()] }
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
            algorithms: vec!["MD5".into()],
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
            ack_wait_seconds: 0,
            bye_wait_seconds: 0,
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
        say(
            self.registrar.algorithms.is_empty(),
            "registrar.algorithms: expected at least one of MD5, SHA-256",
        );
        say(
            self.registrar.algorithms.iter().any(|name| Algorithm::named(Some(name.as_bytes())).is_none()),
            "registrar.algorithms: expected MD5 or SHA-256",
        );
        say(has_repeated(&self.registrar.algorithms), "registrar.algorithms: expected each of them once");
        say(
            !(1..=3600).contains(&self.signalling.retry_after_seconds),
            "signalling.retry_after_seconds: expected 1 to 3600",
        );
        say(
            self.overload.emergency.iter().any(|number| !is_dialed(number)),
            "overload.emergency: expected numbers as they are dialed, digits only",
        );
        say(self.call.ack_wait_seconds > 600, "call.ack_wait_seconds: expected at most 600");
        say(self.call.bye_wait_seconds > 600, "call.bye_wait_seconds: expected at most 600");
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
        let legs = usize::from(self.media.legs) * self.media_bind().len();
        say(legs > 7_000, "media.legs: expected at most 7000, for both families together (descriptors)");
        self.cluster.contradictions().iter().for_each(|what| say(true, what));
        self.cell.contradictions(&self.cluster).iter().for_each(|what| say(true, what));
        self.moving.contradictions().iter().for_each(|what| say(true, what));
        self.nats.contradictions(&self.cluster).iter().for_each(|what| say(true, what));
        self.amqp.contradictions().iter().for_each(|what| say(true, what));
        if let Err(error) = store::Address::read(&self.store, &self.data) {
            say(true, &error.to_string());
        }
        say(self.billing.step_seconds == 0, "billing.step_seconds: expected at least 1");
        say(self.billing.reserve_seconds < 10, "billing.reserve_seconds: expected at least 10");
        say(self.billing.currency.len() != 3, "billing.currency: expected three letters (ISO 4217)");
        found
    }

    /// Whether somebody can hear what happens in calls: then it is told, and kept for them.
    pub(crate) fn is_heard(&self) -> bool {
        self.nats.is_on() || self.amqp.is_on()
    }

    /// RFC 3261's timers as values.
    pub(crate) fn t1(&self) -> Duration {
        Duration::from_millis(self.sip.t1_ms)
    }

    /// How long a phone may take for its last word, of `seconds` as configured.
    pub(crate) fn wait(&self, seconds: u64) -> Duration {
        if seconds == 0 { 64 * self.t1() } else { Duration::from_secs(seconds) }
    }

    /// What challenges offer, the best first.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        self.registrar.algorithms.iter().filter_map(|name| Algorithm::named(Some(name.as_bytes()))).collect()
    }

    /// The addresses that media ports are bound to: one for each family that phones are heard on.
    pub(crate) fn media_bind(&self) -> Vec<IpAddr> {
        let listens = self.sip.listen.iter().map(|listen| listen.address.ip());
        let mut bound: Vec<IpAddr> = Vec::new();
        for ip in self.media.address.parse().into_iter().chain(listens) {
            if bound.iter().all(|other| other.is_ipv6() != ip.is_ipv6()) {
                bound.push(ip);
            }
        }
        bound
    }

    /// Where media hears probes of other nodes: at its own address, under the number that signalling has inside, but
    /// by UDP. None if this host is alone.
    pub(crate) fn probed(&self) -> Option<SocketAddr> {
        if !self.cluster.is_one_of_several() || !self.cluster.has(Role::Media) {
            return None;
        }
        let bound = *self.media_bind().first()?;
        let shown =
            if bound.is_unspecified() { crate::serve::outward_address(bound.is_ipv6()) } else { Some(bound) };
        Some(SocketAddr::new(shown?, self.cluster.inside.port()))
    }

    /// The addresses that phones are told for their audio, where it is another than the ports are bound to.
    pub(crate) fn media_public(&self) -> Vec<IpAddr> {
        let public: Option<IpAddr> = self.sip.public_host.parse().ok();
        let told = |bound: IpAddr| match public.filter(|public| public.is_ipv6() == bound.is_ipv6()) {
            Some(public) => Some(public),
            None if bound.is_unspecified() => crate::serve::outward_address(bound.is_ipv6()),
            None => None,
        };
        self.media_bind().into_iter().filter_map(told).collect()
    }
}

fn has_repeated(names: &[String]) -> bool {
    names
        .iter()
        .enumerate()
        .any(|(at, name)| names[..at].iter().any(|other| other.eq_ignore_ascii_case(name)))
}

fn is_dialed(number: &str) -> bool {
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_contradicts_itself_is_said_with_its_key() {
        for (text, said) in [
            ("", ""),
            ("[registrar]\nalgorithms = [\"SHA-256\", \"md5\"]", ""),
            ("[registrar]\nalgorithms = []", "registrar.algorithms: expected at least one of MD5, SHA-256"),
            ("[registrar]\nalgorithms = [\"MD4\"]", "registrar.algorithms: expected MD5 or SHA-256"),
            (
                "[registrar]\nalgorithms = [\"MD5\", \"md5\"]",
                "registrar.algorithms: expected each of them once",
            ),
            ("store = \"postgres://anna@h1,h2/phone\"", ""),
            (
                "store = \"mysql://h1/phone\"",
                "store: expected a file, a folder, or postgres://HOST,HOST/DATABASE, read \"mysql\"",
            ),
            ("[overload]\nemergency = []", ""),
            (
                "[overload]\nemergency = [\"+112\"]",
                "overload.emergency: expected numbers as they are dialed, digits only",
            ),
            ("[signalling]\nretry_after_seconds = 0", "signalling.retry_after_seconds: expected 1 to 3600"),
            ("[call]\nack_wait_seconds = 601", "call.ack_wait_seconds: expected at most 600"),
            ("[call]\nbye_wait_seconds = 601", "call.bye_wait_seconds: expected at most 600"),
            (
                "[cell]\nname = \"north\"",
                "cell.number: expected this cell's number, as other keys of cell are set",
            ),
            (
                "[cell]\nnumber = 1\nname = \"north\"\noffices = [\"http://10.0.0.1:8080\"]",
                "cell.number: expected cluster.node and cluster.brokers to be set, too (one host is enough)",
            ),
            (
                "[cluster]\nnode = 1\nbrokers = [\"1@10.0.0.1:7000\"]\n[cell]\nnumber = 16\nname = \"north\"\n\
                 offices = [\"10.0.0.1:8080\"]\nknown = [\"1@10.0.0.1:7000\"]\n[nats]\nservers = [\"nats://10.0.0.1:4222\"]",
                "cell.number: expected 1 to 15, or 0 for no cells; cell.offices: expected http://ADDRESS:PORT; \
                 cell.known: expected brokers of other cells only",
            ),
        ] {
            assert_eq!(read(text).contradictions().join("; "), said, "{text}");
        }
    }

    #[test]
    fn half_dead_phones_are_waited_for_as_long_as_it_is_set_or_64_times_t1() {
        let config = read("[sip]\nt1_ms = 100\n[call]\nbye_wait_seconds = 5");
        assert_eq!(config.wait(config.call.ack_wait_seconds), Duration::from_millis(6400));
        assert_eq!(config.wait(config.call.bye_wait_seconds), Duration::from_secs(5));
    }
}
