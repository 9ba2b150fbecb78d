use std::net::SocketAddr;
use std::path::PathBuf;

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
            patience_ms: 700,
            floating: Vec::new(),
            secret: PathBuf::new(),
        }
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
        let is_seated = self.brokers.iter().any(|seat| seat.node == self.node);
        if !is_seated && self.roles.iter().any(|role| Role::of(role) == Some(Role::Broker)) {
            found
                .push("cluster.roles: expected no broker, as cluster.brokers does not name this node".into());
        }
        found
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
