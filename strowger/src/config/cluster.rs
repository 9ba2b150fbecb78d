use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use bus::Workers;
use contract::{NodeId, Role};
use serde::{Deserialize, Serialize};

/// Several hosts as one platform. All of them share `secret`, the brokers, the bus (`[nats]`) and the store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cluster {
    /// This host's number, from 1 on, no two alike. 0: this host is alone.
    pub(crate) node: u16,
    /// What would be lost together with it (a host, a rack): no buddy is there. Empty: the number.
    pub(crate) host: String,
    /// Which roles run here: some of edge, exchange, media, apps, billing, api, broker. Empty: all but broker, and
    /// broker if this node is named in `brokers`. `strowger serve --roles` says it, too.
    pub(crate) roles: Vec<String>,
    /// Where this host hears the others: signalling thread 0 on this port, the next thread on the next port, and so on.
    pub(crate) inside: SocketAddr,
    /// The nodes whose brokers agree (one, three or five): `NODE@ADDRESS:PORT`.
    pub(crate) brokers: Vec<Seat>,
    /// No shard is this host's as long as another host can own it: it has copies, and goes on when one is lost.
    pub(crate) spare: bool,
    /// A node that was silent for so long is lost, milliseconds.
    pub(crate) patience_ms: u64,
    /// An address that phones speak to and that this host can hold, the dearest first: `ADDRESS/PREFIX@INTERFACE`.
    pub(crate) floating: Vec<String>,
    /// The file with the platform's secret, the same on all hosts. Empty: `secret` in the data folder.
    pub(crate) secret: PathBuf,
}

/// Where the broker of a node is heard by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Seat {
    pub(crate) node: u16,
    pub(crate) address: SocketAddr,
}

impl TryFrom<String> for Seat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = || {
            let (node, address) = text.split_once('@')?;
            Some(Seat { node: node.parse().ok()?, address: address.parse().ok()? })
        };
        read().ok_or_else(|| format!("expected NODE@ADDRESS:PORT, read {text:?}"))
    }
}

impl From<Seat> for String {
    fn from(seat: Seat) -> String {
        format!("{}@{}", seat.node, seat.address)
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            node: 0,
            host: String::new(),
            roles: Vec::new(),
            inside: ([127, 0, 0, 1], 7100).into(),
            brokers: Vec::new(),
            spare: false,
            patience_ms: 700,
            floating: Vec::new(),
            secret: PathBuf::new(),
        }
    }
}

/// An address that can move from host to host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Floating {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) interface: String,
}

impl Floating {
    fn read(text: &str) -> Option<Floating> {
        let (range, interface) = text.split_once('@')?;
        let (address, prefix) = range.split_once('/')?;
        let (address, prefix): (IpAddr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
        let fits = prefix <= if address.is_ipv4() { 32 } else { 128 } && !interface.is_empty();
        fits.then(|| Floating { address, prefix, interface: interface.to_owned() })
    }
}

impl Cluster {
    /// What its parts say about each other; each line names the key.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let unknown = self.roles.iter().filter(|role| Role::of(role).is_none());
        found.extend(unknown.map(|role| {
            format!("cluster.roles: expected some of edge, exchange, media, apps, billing, api, broker, read {role:?}")
        }));
        if self.node == 0 && !self.brokers.is_empty() {
            found.push("cluster.node: expected this host's number, as cluster.brokers names others".into());
        }
        if self.node != 0 && self.brokers.is_empty() {
            found.push("cluster.brokers: expected NODE@ADDRESS:PORT of one, three or five brokers".into());
        }
        let unread = self.floating.iter().filter(|text| Floating::read(text).is_none());
        found.extend(
            unread.map(|text| format!("cluster.floating: expected ADDRESS/PREFIX@INTERFACE, read {text:?}")),
        );
        let is_seated = self.brokers.iter().any(|seat| seat.node == self.node);
        if !is_seated && self.roles.iter().any(|role| Role::of(role) == Some(Role::Broker)) {
            found
                .push("cluster.roles: expected no broker, as cluster.brokers does not name this node".into());
        }
        found
    }

    /// The first of the contradictions, as an error.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.contradictions().into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether `role` runs here.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles().contains(&role)
    }

    /// Whether there is a signalling worker.
    pub(crate) fn signals(&self) -> bool {
        [Role::Edge, Role::Exchange, Role::Apps].into_iter().any(|role| self.has(role))
    }

    /// Which other workers there are.
    pub(crate) fn workers(&self) -> Workers {
        Workers {
            media: self.has(Role::Media),
            office: self.has(Role::Billing) || self.has(Role::Api),
            broker: self.is_one_of_several(),
        }
    }

    /// What workers are told besides the file.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let quoted: Vec<String> = self.roles.iter().map(|role| format!("\"{role}\"")).collect();
        match quoted.is_empty() {
            true => Vec::new(),
            false => vec![("STROWGER_CLUSTER_ROLES".into(), format!("[{}]", quoted.join(", ")).into())],
        }
    }

    /// Where the signalling threads hear other nodes.
    pub(crate) fn inside_of(&self, threads: u16) -> Vec<SocketAddr> {
        let port = |thread: u16| SocketAddr::new(self.inside.ip(), self.inside.port().saturating_add(thread));
        (0..threads).map(port).collect()
    }

    /// Where the broker here is heard, if it has a seat.
    pub(crate) fn seat(&self) -> Option<SocketAddr> {
        self.brokers.iter().find(|seat| seat.node == self.node).map(|seat| seat.address)
    }

    /// The addresses that can come and go, with the prefix and the interface that they come on.
    pub(crate) fn floating(&self) -> Vec<Floating> {
        self.floating.iter().filter_map(|text| Floating::read(text)).collect()
    }

    /// Whether `address` may come later.
    pub(crate) fn can_hold(&self, address: IpAddr) -> bool {
        self.floating().iter().any(|floating| floating.address == address)
    }

    /// Whether this host is one of several.
    pub(crate) fn is_one_of_several(&self) -> bool {
        self.node != 0
    }

    /// This host's number.
    pub(crate) fn me(&self) -> NodeId {
        NodeId(self.node)
    }

    /// Which roles run here.
    pub(crate) fn roles(&self) -> Vec<Role> {
        use Role::{Api, Apps, Billing, Broker, Edge, Exchange, Media};
        if !self.roles.is_empty() {
            return self.roles.iter().filter_map(|role| Role::of(role)).collect();
        }
        let mut all = vec![Edge, Exchange, Media, Apps, Billing, Api];
        all.extend(self.brokers.iter().any(|seat| seat.node == self.node).then_some(Broker));
        all
    }

    /// Where the others hear it, and who is lost with it.
    pub(crate) fn host(&self) -> String {
        if self.host.is_empty() { self.node.to_string() } else { self.host.clone() }
    }
}
