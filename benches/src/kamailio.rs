//! Kamailio from Debian's packages, configured as well as we know how: TLSF allocator, memory set aside, two
//! processes, nothing logged, nothing looked up.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Trouble;
use crate::child::{Folder, Server};
use crate::sip::is_listening;

/// Which of its configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Digest authentication and bindings in memory, for so many users.
    Registrar { users: u32 },
    /// A transaction-stateful proxy with Record-Route.
    Proxy,
}

/// Kamailio at work.
#[derive(Debug)]
pub(crate) struct Kamailio {
    server: Server,
    folder: Folder,
    pub(crate) address: SocketAddr,
}

/// Megabytes shared by its processes, and of each.
const SHARED: &str = "1024";
const PRIVATE: &str = "32";

impl Kamailio {
    /// Starts it at `address` as the registrar or proxy of `domain`.
    pub(crate) fn start(part: Part, address: SocketAddr, domain: &str) -> Result<Self, Trouble> {
        let (name, users) = match part {
            Part::Registrar { users } => ("registrar", users),
            Part::Proxy => ("proxy", 0),
        };
        let folder = Folder::new(&format!("kamailio-{name}"))?;
        let template = Path::new("benches/kamailio").join(name).with_extension("cfg");
        let text = std::fs::read_to_string(&template)
            .map_err(|error| format!("{} (from the repository's root): {error}", template.display()))?;
        let text = text
            .replace("LISTEN", &address.to_string())
            .replace("REALM", domain)
            .replace("USERS", &users.to_string())
            .replace("CONTROL", &folder.path().join("control").display().to_string());
        let path = folder.path().join("kamailio.cfg");
        std::fs::write(&path, text)?;
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(&path).args(["-DD", "-x", "tlsf", "-m", SHARED, "-M", PRIVATE]);
        command.arg("-Y").arg(folder.path()).arg("-P").arg(folder.path().join("pid"));
        let mut server = Server::start("kamailio", command, folder.path())?;
        server.wait_until(Duration::from_secs(20), || is_listening(address))?;
        Ok(Kamailio { server, folder, address })
    }

    /// Its first process.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Bytes of its shared memory that are used, by its own account.
    pub(crate) fn shared_used(&self) -> Result<f64, Trouble> {
        let socket = format!("unix:{}", self.folder.path().join("control").display());
        let output = Command::new("kamcmd").args(["-s", &socket, "core.shmmem"]).output();
        let output = output.map_err(|error| format!("kamcmd: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let used = text.lines().find_map(|line| line.trim().strip_prefix("real_used: "));
        let used = used.and_then(|used| used.trim().parse().ok());
        used.ok_or_else(|| format!("kamcmd core.shmmem said {text:?}").into())
    }
}
