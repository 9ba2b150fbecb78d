//! Where the store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// The file, where only a folder is named.
const FILE: &str = "strowger.db";
/// A replica that is further behind is not asked for lists.
const LAG: Duration = Duration::from_secs(1);

/// Where the store is: a file of this host (SQLite), or one of several servers (PostgreSQL).
#[derive(Clone, Debug)]
pub enum Address {
    /// SQLite.
    File(PathBuf),
    /// PostgreSQL.
    Servers(Servers),
}

/// One primary and its replicas; which of them is which is found out.
#[derive(Clone, Debug)]
pub struct Servers {
    pub(crate) hosts: Vec<PgConnectOptions>,
    pub(crate) lag: Duration,
}

impl Address {
    /// Reads what the configuration says:
    ///
    /// - nothing: a file in the folder `data`;
    /// - a folder, or a file;
    /// - `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE`, with PostgreSQL's own parameters (`sslmode`,
    ///   `sslrootcert` ...) and one of ours: `lag_ms`, how far a replica may be behind that is asked for lists
    ///   (1000; 0: none is asked).
    pub fn read(text: &str, data: &Path) -> Result<Address, StoreError> {
        if text.is_empty() {
            return Ok(Address::File(data.join(FILE)));
        }
        if let Some(rest) =
            ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme))
        {
            return Servers::read(rest).map(Address::Servers);
        }
        if text.contains("://") {
            return Err(StoreError::BadAddress(format!(
                "expected a file, a folder, or postgres://HOST,HOST/DATABASE, read {:?}",
                text.split_once("://").map_or(text, |(scheme, _)| scheme)
            )));
        }
        let path = PathBuf::from(text);
        let folder = text.ends_with('/') || path.is_dir();
        Ok(Address::File(if folder { path.join(FILE) } else { path }))
    }
}

impl Servers {
    fn read(rest: &str) -> Result<Self, StoreError> {
        let (front, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = front.split_once('/').unwrap_or((front, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut lag = LAG;
        let mut passed_on = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.strip_prefix("lag_ms=") {
                Some(number) => lag = Duration::from_millis(milliseconds(number)?),
                None => passed_on.push(parameter),
            }
        }
        let at = if user.is_empty() { "" } else { "@" };
        let host = |host: &str| {
            let url = format!("postgres://{user}{at}{host}/{database}?{}", passed_on.join("&"));
            // The address may hold a password: it is not repeated.
            let wrong = |error| StoreError::BadAddress(format!("PostgreSQL on {host:?}: {error}"));
            PgConnectOptions::from_str(&url)
                .map(|options| options.application_name("strowger"))
                .map_err(wrong)
        };
        let hosts = hosts.split(',').map(host).collect::<Result<Vec<_>, _>>()?;
        Ok(Servers { hosts, lag })
    }
}

fn milliseconds(text: &str) -> Result<u64, StoreError> {
    text.parse().map_err(|_| StoreError::BadAddress(format!("lag_ms: expected milliseconds, read {text:?}")))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::File(path) => path.display().fmt(f),
            Address::Servers(servers) => {
                let names: Vec<_> = servers.hosts.iter().map(name).collect();
                write!(f, "PostgreSQL on {}", names.join(", "))
            }
        }
    }
}

/// What a server is called in a log.
pub(crate) fn name(host: &PgConnectOptions) -> String {
    match host.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), host.get_port()),
        None => format!("{}:{}", host.get_host(), host.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match Address::read(text, Path::new("data")) {
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn nothing_a_folder_a_file_and_servers_are_addresses() {
        assert_eq!(read(""), "data/strowger.db");
        assert_eq!(read("/"), "/strowger.db");
        assert_eq!(read("elsewhere/"), "elsewhere/strowger.db");
        assert_eq!(read("books.db"), "books.db");
        assert_eq!(read("postgres://anna:x@h1,h2:6000/phone"), "PostgreSQL on h1:5432, h2:6000");
        assert_eq!(read("postgresql://h1/phone?sslmode=disable"), "PostgreSQL on h1:5432");
        assert_eq!(read("postgres://%2Frun%2Fpg:7000/phone"), "PostgreSQL on /run/pg:7000");
        assert_eq!(
            read("mysql://root:secret@h1/x"),
            r#"store: expected a file, a folder, or postgres://HOST,HOST/DATABASE, read "mysql""#
        );
        assert_eq!(
            read("postgres://h1/x?lag_ms=soon"),
            r#"store: lag_ms: expected milliseconds, read "soon""#
        );
    }

    #[test]
    fn who_and_which_database_are_the_same_on_all_servers() {
        let Ok(Address::Servers(servers)) =
            Address::read("postgres://anna:x@h1,h2/phone?lag_ms=250", Path::new(""))
        else {
            panic!()
        };
        assert_eq!(servers.lag, Duration::from_millis(250));
        let told: Vec<_> =
            servers.hosts.iter().map(|host| (host.get_username(), host.get_database())).collect();
        assert_eq!(told, [("anna", Some("phone")); 2]);
    }
}
