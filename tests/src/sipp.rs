use std::net::SocketAddrV4;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Peer;
use crate::place::Place;
use crate::platform::eventually;

/// A SIPp that plays one scenario.
#[derive(Debug)]
pub struct Sipp {
    peer: Peer,
    log: std::path::PathBuf,
}

/// How a scenario ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All its calls went as the scenario says.
    AsPlanned,
    /// SIPp's exit status, and the end of what it printed.
    Failed(Option<i32>, String),
}

impl Sipp {
    /// Plays `tests/sipp/SCENARIO.xml` against the platform of `place`, from port `port` of the peers' address.
    pub fn play(place: &Place, scenario: &str, port: u16, more: &[&str]) -> Sipp {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(format!("{scenario}.xml"));
        let name = place.name_for(&format!("sipp-{scenario}"));
        let mut command = Command::new("sipp");
        command.current_dir(place.folder()).arg("-sf").arg(file);
        command.args(["-i", &place.address().to_string(), "-p", &port.to_string()]);
        // By itself it takes 6000, 6002 and some above for media, whoever meant to listen there.
        command.args(["-mp", &(10_000 + 20 * (port % 1000)).to_string()]);
        command.args(["-m", "1", "-nostdin", "-trace_err", "-recv_timeout", "20000", "-timeout", "60"]);
        command.args(["-error_file", &format!("{name}.errors")]);
        if !more.contains(&"-d") {
            command.args(["-d", "300"]);
        }
        if let Some(user) = more.iter().position(|&word| word == "user").and_then(|at| more.get(at + 1)) {
            command.args(["-au", user, "-ap", &format!("secret-{user}")]);
        }
        command.args(more).arg(place.sip().to_string());
        let log = place.folder().join(format!("{name}.errors"));
        Sipp { peer: Peer::start(&name, command, place.folder()), log }
    }

    /// Plays a scenario that begins with a request from outside, and waits until it can come.
    ///
    /// # Panics
    /// When it does not get its port.
    pub fn await_calls(place: &Place, scenario: &str, port: u16, more: &[&str]) -> Sipp {
        let table = if more.contains(&"t1") { "tcp" } else { "udp" };
        let address = SocketAddrV4::new(place.address(), port);
        // Nobody else may be taken for it.
        let free = eventually(Duration::from_secs(5), || !is_bound(table, address));
        assert!(free, "{address} is taken");
        let sipp = Sipp::play(place, scenario, port, more);
        let ready = eventually(Duration::from_secs(10), || is_bound(table, address));
        assert!(ready, "{scenario} does not listen on {address}: {}", sipp.errors());
        sipp
    }

    /// Waits for the scenario's end.
    pub fn verdict(&mut self) -> Verdict {
        match self.peer.ended(Duration::from_secs(70)) {
            Some(status) if status.success() => Verdict::AsPlanned,
            Some(status) => Verdict::Failed(status.code(), self.errors()),
            None => Verdict::Failed(None, self.errors()),
        }
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default().chars().take(4000).collect()
    }
}

/// Whether a socket without a peer has this address, as the kernel's table `udp` or `tcp` says.
fn is_bound(table: &str, address: SocketAddrV4) -> bool {
    let raw = u32::from_ne_bytes(address.ip().octets());
    let local = format!("{raw:08X}:{:04X}", address.port());
    let sockets = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    sockets.lines().filter_map(|line| line.split_once(": ")).any(|(_, rest)| {
        let mut fields = rest.split_ascii_whitespace();
        fields.next() == Some(local.as_str()) && fields.next() == Some("00000000:0000")
    })
}
