use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::peer::Peer;
use crate::platform::{Platform, eventually, strowger};

/// A built-in softphone in a process of its own.
#[derive(Debug)]
pub struct Phone {
    peer: Peer,
    log: PathBuf,
}

impl Phone {
    /// `user` of `domain`, started with `arguments` besides those that say who and where it is.
    pub fn of(platform: &Platform, domain: &str, user: &str, arguments: &[&str]) -> Phone {
        Phone::at(platform, platform.sip(), domain, user, arguments)
    }

    /// The same, where the platform is heard at `server`.
    pub fn at(
        platform: &Platform,
        server: SocketAddr,
        domain: &str,
        user: &str,
        arguments: &[&str],
    ) -> Phone {
        let listen =
            if server.is_ipv6() { "[::1]:0".to_owned() } else { format!("{}:0", platform.address()) };
        let name = platform.name_for(&format!("phone-{user}"));
        let mut command = Command::new(strowger());
        command.current_dir(platform.folder()).args(["phone", "--json", "--domain", domain, "--user", user]);
        command.args(["--server", &server.to_string(), "--listen", &listen]);
        command.args(["--password", &format!("secret-{user}")]).args(arguments);
        let peer = Peer::start(&name, command, platform.folder());
        Phone { peer, log: platform.folder().join(format!("{name}.log")) }
    }

    /// A phone of the tenant `test` that is registered and answers after `ring` milliseconds.
    pub fn answering(platform: &Platform, user: &str, ring: u32) -> Phone {
        let ring = ring.to_string();
        let phone =
            Phone::of(platform, "test.example", user, &["--register", "--answer", "--answer-after", &ring]);
        phone.wait_for("registered");
        phone
    }

    /// A phone of the tenant `test` that calls `whom` and hangs up so many seconds after the answer.
    pub fn calling(platform: &Platform, user: &str, whom: &str, talk: f32) -> Phone {
        let talk = talk.to_string();
        Phone::of(platform, "test.example", user, &["--register", "--call", whom, "--talk", &talk])
    }

    /// Waits until it has told `event`.
    ///
    /// # Panics
    /// When it does not within 15 seconds.
    pub fn wait_for(&self, event: &str) -> Value {
        self.wait_for_nth(event, 1)
    }

    /// Waits until it has told `event` so many times, and gives the last.
    ///
    /// # Panics
    /// When it does not within 15 seconds.
    pub fn wait_for_nth(&self, event: &str, nth: usize) -> Value {
        let mut found = None;
        eventually(Duration::from_secs(15), || {
            found = self.told(event).into_iter().nth(nth - 1);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("the phone never told {event} ({nth}):\n{}", self.said()))
    }

    /// All it has told about `event`.
    pub fn told(&self, event: &str) -> Vec<Value> {
        let lines = self.said();
        let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|told| told["event"] == event).collect()
    }

    /// Stops it where it is: it hears and says nothing until [`Phone::goes_on`].
    pub fn freezes(&self) {
        self.peer.signal(libc::SIGSTOP);
    }

    /// Goes on after [`Phone::freezes`]; what came meanwhile waits for it.
    pub fn goes_on(&self) {
        self.peer.signal(libc::SIGCONT);
    }

    /// What it printed.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end; true if everything went as it was asked.
    pub fn went_well(&mut self) -> bool {
        self.peer.ended(Duration::from_secs(90)).is_some_and(|status| status.success())
    }
}
