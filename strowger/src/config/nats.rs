use std::path::PathBuf;

use nats::{Credentials, Identity, Options, Tls};
use serde::{Deserialize, Serialize};

use super::Cluster;

/// The bus between hosts. Without servers a host is alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Nats {
    /// `nats://HOST:PORT` (or `tls://`) of some servers; they tell of the others.
    pub(crate) servers: Vec<String>,
    /// What all subjects begin with: platforms that share servers need different ones.
    pub(crate) prefix: String,
    /// A name and a secret that servers know us by; or one of the three behind them; or none.
    pub(crate) user: String,
    pub(crate) password: String,
    /// A secret that is the same for all.
    pub(crate) token: String,
    /// The seed of an nkey (`SU...`).
    pub(crate) nkey: String,
    /// A file of credentials (`.creds`).
    pub(crate) credentials: PathBuf,
    /// PEM file of the authorities that may vouch for a server. With it, nothing goes in the clear.
    pub(crate) authorities: PathBuf,
    /// PEM files of our own certificate and its key.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// How many servers keep each stream; 0: three if so many are named in `servers`, else one.
    pub(crate) replicas: usize,
    /// How long a stream keeps its entries, days.
    pub(crate) keep_days: u64,
}

impl Default for Nats {
    fn default() -> Self {
        let Options { root, replicas, keep_days, .. } = Options::default();
        Nats {
            servers: Vec::new(),
            prefix: root,
            user: String::new(),
            password: String::new(),
            token: String::new(),
            nkey: String::new(),
            credentials: PathBuf::new(),
            authorities: PathBuf::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            replicas,
            keep_days,
        }
    }
}

impl Nats {
    /// Whether there is a bus between hosts.
    pub(crate) fn is_on(&self) -> bool {
        !self.servers.is_empty()
    }

    /// What its parts say about each other and about `cluster`; each line names the key.
    pub(crate) fn contradictions(&self, cluster: &Cluster) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |wrong: bool, what: &str| found.extend(wrong.then(|| what.to_owned()));
        say(
            cluster.is_one_of_several() && !self.is_on(),
            "nats.servers: expected nats://HOST:PORT of at least one server, as cluster.node says that there are several hosts",
        );
        say(
            self.user.is_empty() != self.password.is_empty(),
            "nats.user: expected with nats.password, or neither",
        );
        let ways = [
            !self.user.is_empty(),
            !self.token.is_empty(),
            !self.nkey.is_empty(),
            !self.credentials.as_os_str().is_empty(),
        ];
        say(
            ways.iter().filter(|&&said| said).count() > 1,
            "nats.user: expected at most one of user with password, token, nkey and credentials",
        );
        say(
            self.certificate.as_os_str().is_empty() != self.key.as_os_str().is_empty(),
            "nats.certificate: expected with nats.key, or neither",
        );
        say(self.replicas > 5, "nats.replicas: expected at most 5");
        say(self.keep_days == 0, "nats.keep_days: expected at least 1");
        if self.is_on()
            && let Err(error) = self.options(cluster).check()
        {
            let key = if matches!(error, nats::NatsError::Root(_)) { "prefix" } else { "servers" };
            found.push(format!("nats.{key}: {error}"));
        }
        found
    }

    /// How the bus between hosts is joined.
    pub(crate) fn options(&self, cluster: &Cluster) -> Options {
        Options {
            servers: self.servers.clone(),
            root: self.prefix.clone(),
            credentials: self.credentials(),
            tls: self.tls(),
            replicas: self.replicas,
            keep_days: self.keep_days,
            beyond: Some(cluster.me()),
        }
    }

    fn credentials(&self) -> Credentials {
        let (user, password) = (self.user.clone(), self.password.clone());
        match self {
            _ if !user.is_empty() => Credentials::Password { user, password },
            _ if !self.token.is_empty() => Credentials::Token(self.token.clone()),
            _ if !self.nkey.is_empty() => Credentials::Nkey(self.nkey.clone()),
            _ if !self.credentials.as_os_str().is_empty() => Credentials::File(self.credentials.clone()),
            _ => Credentials::None,
        }
    }

    fn tls(&self) -> Option<Tls> {
        let said = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
        let authorities = said(&self.authorities);
        let identity = said(&self.certificate).zip(said(&self.key));
        let identity = identity.map(|(certificate, key)| Identity { certificate, key });
        (authorities.is_some() || identity.is_some()).then_some(Tls { authorities, identity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(cluster: &str, nats: &str) -> String {
        let cluster: Cluster = toml::from_str(cluster).unwrap();
        let nats: Nats = toml::from_str(nats).unwrap();
        nats.contradictions(&cluster).join("; ")
    }

    #[test]
    fn a_host_alone_needs_no_bus_between_hosts_and_one_of_several_does() {
        assert_eq!(said("", ""), "");
        assert!(said("node = 1", "").starts_with("nats.servers: expected nats://HOST:PORT"));
        assert_eq!(said("node = 1", "servers = [\"nats://h1:4222\", \"tls://h2:4222\"]"), "");
    }

    #[test]
    fn what_contradicts_itself_is_said_with_its_key() {
        let servers = "servers = [\"nats://h1:4222\"]\n";
        for (text, beginning) in [
            ("user = \"anna\"", "nats.user: expected with nats.password"),
            ("user = \"a\"\npassword = \"b\"\ntoken = \"c\"", "nats.user: expected at most one"),
            ("certificate = \"a.pem\"", "nats.certificate: expected with nats.key"),
            ("replicas = 6", "nats.replicas: expected at most 5"),
            ("prefix = \"a..b\"", "nats.prefix: \"a..b\" cannot be the root"),
        ] {
            let said = said("node = 1", &format!("{servers}{text}"));
            assert!(said.starts_with(beginning) && !said.contains(';'), "{text}: {said}");
        }
        assert!(
            said("", "servers = [\"nats://[::\"]").starts_with("nats.servers: \"nats://[::\" is no server")
        );
    }

    #[test]
    fn credentials_are_told_apart() {
        let of = |text: &str| toml::from_str::<Nats>(text).unwrap().options(&Cluster::default()).credentials;
        assert!(matches!(of(""), Credentials::None));
        assert!(matches!(of("user = \"a\"\npassword = \"b\""), Credentials::Password { .. }));
        assert!(matches!(of("token = \"a\""), Credentials::Token(_)));
        assert!(matches!(of("nkey = \"SU\""), Credentials::Nkey(_)));
        assert!(matches!(of("credentials = \"a.creds\""), Credentials::File(_)));
    }
}
