use std::path::PathBuf;

use amqp::Options;
use serde::{Deserialize, Serialize};

/// The bridge to an operator's RabbitMQ: what happens goes out, commands come in. Without `url` there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Amqp {
    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://`.
    pub(crate) url: String,
    /// The topic exchange that events and records go to, as `call.rang.TENANT`, `record.TENANT`.
    pub(crate) exchange: String,
    /// The queue that commands come from; empty: none are taken.
    pub(crate) commands: String,
    /// Under which name the streams are heard: bridges that share it share the work.
    pub(crate) name: String,
    /// PEM file of the authorities that may vouch for the broker; without, those of the system.
    pub(crate) authorities: PathBuf,
    /// PEM files of our own certificate and its key.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Default for Amqp {
    fn default() -> Self {
        let Options { events, commands, name, .. } = Options::default();
        Amqp {
            url: String::new(),
            exchange: events,
            commands,
            name,
            authorities: PathBuf::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
        }
    }
}

impl Amqp {
    /// Whether there is a bridge.
    pub(crate) fn is_on(&self) -> bool {
        !self.url.is_empty()
    }

    /// What its parts say about each other; each line names the key.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |wrong: bool, what: &str| found.extend(wrong.then(|| what.to_owned()));
        let is_address = ["amqp://", "amqps://"].iter().any(|scheme| self.url.starts_with(scheme));
        say(
            self.is_on() && !is_address,
            "amqp.url: expected amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://",
        );
        say(self.exchange.is_empty(), "amqp.exchange: expected the name of a topic exchange");
        say(
            bus::durable::check_name(&self.name).is_err(),
            "amqp.name: expected a word of letters, digits, - and _",
        );
        say(
            self.certificate.as_os_str().is_empty() != self.key.as_os_str().is_empty(),
            "amqp.certificate: expected with amqp.key, or neither",
        );
        found
    }

    /// How the bridge is built.
    pub(crate) fn options(&self) -> Options {
        let said = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
        Options {
            url: self.url.clone(),
            authorities: said(&self.authorities),
            identity: said(&self.certificate).zip(said(&self.key)),
            events: self.exchange.clone(),
            commands: self.commands.clone(),
            name: self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_said_with_its_key() {
        for (text, said) in [
            ("", ""),
            ("url = \"amqp://guest:guest@h1/%2f\"\ncommands = \"\"", ""),
            ("url = \"h1:5672\"", "amqp.url: expected amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://"),
            ("exchange = \"\"", "amqp.exchange: expected the name of a topic exchange"),
            ("name = \"a b\"", "amqp.name: expected a word of letters, digits, - and _"),
            ("key = \"a.pem\"", "amqp.certificate: expected with amqp.key, or neither"),
        ] {
            let amqp: Amqp = toml::from_str(text).unwrap();
            assert_eq!(amqp.contradictions().join("; "), said, "{text}");
        }
    }
}
