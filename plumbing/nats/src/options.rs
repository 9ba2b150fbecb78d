use std::path::PathBuf;
use std::time::Duration;

use async_nats::ConnectOptions;
use contract::NodeId;
use serde::Deserialize;

/// A server that is silent for three of these is gone.
const PING: Duration = Duration::from_millis(400);
/// A server that does not answer a connect within this is passed over.
const CONNECT: Duration = Duration::from_secs(1);
/// The longest pause between attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// So many messages may wait between our queue and the connection.
const BETWEEN: usize = 256;
/// So many messages may wait for one who hears; what is beyond is dropped, and counted.
const UNHEARD: usize = 8192;

/// Which servers, and how to be let in.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `nats://host:port` of some of them; they tell of the others.
    pub servers: Vec<String>,
    /// What all subjects begin with: the cell. Platforms that share servers need different ones.
    pub root: String,
    /// Who we are.
    pub credentials: Credentials,
    /// Without: in the clear, unless a server's address says `tls://`.
    pub tls: Option<Tls>,
    /// How many servers keep each stream and bucket; 0: three if so many are named, else one.
    pub replicas: usize,
    /// How long an entry is kept in a stream, in days.
    pub keep_days: u64,
    /// Those of this node are reached another way (see [`bus::Joined`]): what is said here to all is for the others.
    #[serde(skip)]
    pub beyond: Option<NodeId>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            root: "strowger.main".to_owned(),
            credentials: Credentials::None,
            tls: None,
            replicas: 0,
            keep_days: 14,
            beyond: None,
        }
    }
}

impl Options {
    /// How many servers keep each stream and bucket. Two would not outlive the loss of either.
    pub(crate) fn copies(&self) -> usize {
        match self.replicas {
            0 if self.servers.len() >= 3 => 3,
            0 => 1,
            said => said,
        }
    }
}

/// How a server knows that it is us.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Credentials {
    /// It need not know (or our certificate tells).
    #[default]
    None,
    /// A name and a secret.
    Password {
        /// The name.
        user: String,
        /// The secret.
        password: String,
    },
    /// A secret that is the same for all.
    Token(String),
    /// The seed of an nkey (`SU...`).
    Nkey(String),
    /// A file of credentials (`.creds`): a JWT and its nkey.
    File(PathBuf),
}

impl std::fmt::Debug for Credentials {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Password { user, .. } => write!(f, "Password({user})"),
            Credentials::Token(_) => f.write_str("Token"),
            Credentials::Nkey(_) => f.write_str("Nkey"),
            Credentials::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

/// Whom to believe, and what to show.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authorities that may vouch for a server; without, those of the system.
    pub authorities: Option<PathBuf>,
    /// PEM files of our own certificate and its key.
    pub identity: Option<Identity>,
}

/// A certificate of our own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// PEM file of the certificate, and of those between it and the authority.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

/// What is wrong with the options.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// The subjects of all roles begin with it.
    #[error("{0:?} cannot be the root of subjects: words of letters, digits, - and _ with dots between")]
    Root(String),
    /// A server's address.
    #[error("{address:?} is no server's address: {source}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// None is named.
    #[error("no server is named")]
    NoServer,
    /// The file of credentials.
    #[error("the credentials in {}: {source}", path.display())]
    Credentials {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The thread of the connection.
    #[error("the thread of the bus: {0}")]
    Thread(#[from] std::io::Error),
    /// The mailbox of a thread.
    #[error(transparent)]
    Mailbox(#[from] strowger_io::Error),
    /// The library said no.
    #[error("the bus across hosts: {0}")]
    Connect(#[from] async_nats::ConnectError),
}

impl Options {
    /// What is wrong with the names of the servers or the root; nobody is connected to.
    pub fn check(&self) -> Result<(), NatsError> {
        self.check_root().and_then(|()| self.servers()).map(drop)
    }

    pub(crate) fn servers(&self) -> Result<Vec<async_nats::ServerAddr>, NatsError> {
        if self.servers.is_empty() {
            return Err(NatsError::NoServer);
        }
        let parse = |address: &String| {
            address.parse().map_err(|source| NatsError::Address { address: address.clone(), source })
        };
        self.servers.iter().map(parse).collect()
    }

    pub(crate) fn check_root(&self) -> Result<(), NatsError> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        match self.root.split('.').all(is_word) {
            true => Ok(()),
            false => Err(NatsError::Root(self.root.clone())),
        }
    }

    /// As the library wants them: reconnecting for ever, quick to see that a server is gone.
    pub(crate) fn connect(&self) -> Result<ConnectOptions, NatsError> {
        let mut options = ConnectOptions::new()
            .name("strowger")
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(CONNECT)
            .ping_interval(PING)
            .client_capacity(BETWEEN)
            .subscription_capacity(UNHEARD)
            .reconnect_delay_callback(pause);
        options = match &self.credentials {
            Credentials::None => options,
            Credentials::Password { user, password } => {
                options.user_and_password(user.clone(), password.clone())
            }
            Credentials::Token(token) => options.token(token.clone()),
            Credentials::Nkey(seed) => options.nkey(seed.clone()),
            Credentials::File(path) => {
                let wrong = |source| NatsError::Credentials { path: path.clone(), source };
                let text = std::fs::read_to_string(path).map_err(wrong)?;
                options.credentials(&text).map_err(wrong)?
            }
        };
        if let Some(tls) = &self.tls {
            options = options.require_tls(true);
            if let Some(authorities) = &tls.authorities {
                options = options.add_root_certificates(authorities.clone());
            }
            if let Some(own) = &tls.identity {
                options = options.add_client_certificate(own.certificate.clone(), own.key.clone());
            }
        }
        Ok(options)
    }
}

/// Before the attempt of that number: none before the first two (another server may be there at once), then
/// twice as long each time. The servers are tried in a random order, so a crowd does not come at once.
fn pause(attempt: usize) -> Duration {
    match attempt {
        0..=2 => Duration::ZERO,
        _ => Duration::from_millis(10 << attempt.min(10)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second() {
        let pauses: Vec<_> = (1..9).map(|attempt| pause(attempt).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn three_servers_keep_a_stream_if_so_many_are_named() {
        let of = |named: usize, replicas| {
            Options { servers: vec![String::new(); named], replicas, ..Options::default() }.copies()
        };
        assert_eq!([1, 2, 3, 5].map(|named| of(named, 0)), [1, 1, 3, 3]);
        assert_eq!(of(1, 3), 3, "the others are told of");
    }

    #[test]
    fn what_cannot_be_is_said_at_once() {
        let with_root = |root: &str| Options { root: root.into(), ..Options::default() };
        with_root("strowger.cell-1").check_root().unwrap();
        for root in ["", "a..b", "a.*", "a b", "a.>"] {
            assert!(with_root(root).check_root().is_err(), "{root}");
        }
        let nowhere = Options { servers: vec!["nats://[::".into()], ..Options::default() };
        assert!(matches!(nowhere.servers(), Err(NatsError::Address { .. })));
        let password = Credentials::Password { user: "exchange".into(), password: "secret".into() };
        assert_eq!(format!("{password:?}"), "Password(exchange)");
    }
}
