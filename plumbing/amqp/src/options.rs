use std::path::PathBuf;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use serde::Deserialize;

/// Which broker, and what things are called there.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `amqp://user:password@host:port/vhost`, or `amqps://`.
    pub url: String,
    /// PEM file of the authorities that may vouch for the broker; without, those of the system.
    pub authorities: Option<PathBuf>,
    /// PEM files of our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The topic exchange that events go to, as `topic.what.tenant` (`call.rang.7`, `record.7`).
    pub events: String,
    /// The queue that commands come from; empty: none are taken. What cannot be done lies in the queue of that
    /// name with `.dead` behind it.
    pub commands: String,
    /// Under which name the bridge hears the streams. Bridges that share it share the work.
    pub name: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            url: "amqp://127.0.0.1:5672/%2f".to_owned(),
            authorities: None,
            identity: None,
            events: "strowger.events".to_owned(),
            commands: "strowger.commands".to_owned(),
            name: "amqp".to_owned(),
        }
    }
}

impl std::fmt::Debug for Options {
    /// Without the address, which has the password in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Options { events, commands, name, .. } = self;
        write!(f, "Options {{ events: {events:?}, commands: {commands:?}, name: {name:?}, .. }}")
    }
}

/// Why the broker is not spoken to.
#[derive(Debug, thiserror::Error)]
pub enum AmqpError {
    /// A file of ours.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The broker, or the way to it.
    #[error("the broker: {0}")]
    Broker(#[from] lapin::Error),
    /// The broker did not take a message.
    #[error("the broker refused {0}")]
    Refused(String),
    /// The broker did not answer in time.
    #[error("the broker did not answer in time")]
    Late,
    /// The streams.
    #[error(transparent)]
    Durable(#[from] bus::durable::DurableError),
}

impl Options {
    /// Where commands lie that cannot be done.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.commands)
    }

    pub(crate) fn tls(&self) -> Result<OwnedTLSConfig, AmqpError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| AmqpError::File { path: path.clone(), source })
        };
        let authorities = self.authorities.as_ref().map(read).transpose()?;
        let identity = match &self.identity {
            Some((pem, key)) => Some(OwnedIdentity::PKCS8 { pem: read(pem)?, key: read(key)? }),
            None => None,
        };
        let cert_chain = authorities.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(OwnedTLSConfig { identity, cert_chain })
    }
}
