//! The platform as a release binary, with its journal, its store and its records, as anybody would run it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Trouble;
use crate::child::{Folder, Server};
use crate::cpu::Whose;

/// How it is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) ip: Ipv4Addr,
    /// Signalling threads.
    pub(crate) threads: u16,
    /// Legs that there can be with media.
    pub(crate) legs: u16,
    pub(crate) domain: String,
    /// Numbers of the users, each with the password `secret`.
    pub(crate) users: Range<u32>,
    /// Whether their audio goes directly.
    pub(crate) direct_media: bool,
    /// What a minute costs.
    pub(crate) micros_per_minute: u32,
}

/// The platform at work.
#[derive(Debug)]
pub(crate) struct Platform {
    server: Server,
    _folders: [Folder; 2],
    pub(crate) address: SocketAddr,
}

impl Platform {
    /// Starts `binary`, and adds the tenant `bench` with its users.
    pub(crate) fn start(binary: &Path, setup: Setup) -> Result<Self, Trouble> {
        let folder = Folder::new(&format!("platform-{}", setup.ip))?;
        let config = folder.path().join("strowger.toml");
        let runtime = Folder::in_memory(&setup.ip.to_string())?;
        std::fs::write(&config, setup.config(folder.path(), runtime.path()))?;
        let mut command = Command::new(binary);
        command.arg("--config").arg(&config).arg("serve");
        let mut server = Server::start("strowger", command, folder.path())?;
        Api::ready(setup.ip, &mut server, &folder.path().join("data"))?.add_accounts(&setup)?;
        Ok(Platform { server, _folders: [folder, runtime], address: (setup.ip, 5060).into() })
    }

    /// The supervisor; all others descend from it.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// A platform that phones speak to.
pub(crate) trait Serves {
    /// Where.
    fn address(&self) -> SocketAddr;
    /// Whose processor time it costs.
    fn whose(&self) -> Whose;
    /// The end of its log.
    fn last_words(&self) -> String;
}

impl Serves for Platform {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn whose(&self) -> Whose {
        self.pid().into()
    }

    fn last_words(&self) -> String {
        self.server.last_words()
    }
}

impl Setup {
    fn config(&self, folder: &Path, runtime: &Path) -> String {
        let Setup { ip, threads, legs, micros_per_minute, .. } = self;
        format!(
            "data = \"{}/data\"\nruntime = \"{}\"\n\
             [log]\nlevel = \"warn\"\n\
             [sip]\nlisten = [\"udp:{ip}:5060\"]\n\
             [signalling]\nthreads = {threads}\n\
             [registrar]\nnonce_seconds = 7200\n\
             [media]\nlegs = {legs}\n\
             [supervisor]\nsettled_ms = 500\n\
             [billing]\nmicros_per_minute = {micros_per_minute}\n\
             [api]\nlisten = \"{ip}:8080\"\n",
            folder.display(),
            runtime.display()
        )
    }
}

/// As much of HTTP as it takes to add accounts over one connection.
pub(crate) struct Api {
    address: SocketAddr,
    token: String,
    stream: Option<TcpStream>,
}

impl Api {
    /// Waits until the host at `ip`, whose data are there, is well.
    pub(crate) fn ready(ip: Ipv4Addr, server: &mut Server, data: &Path) -> Result<Self, Trouble> {
        let mut api = Api { address: (ip, 8080).into(), token: String::new(), stream: None };
        server.wait_until(Duration::from_secs(30), || {
            api.ask("GET", "/healthz", "").is_ok_and(|status| status == 200)
        })?;
        api.token = std::fs::read_to_string(data.join("api-token"))?.trim().to_owned();
        Ok(api)
    }

    /// Adds the tenant and the users.
    pub(crate) fn add_accounts(&mut self, setup: &Setup) -> Result<(), Trouble> {
        let tenant = serde_json::json!({"name": "bench", "domains": [setup.domain], "fallback": true});
        self.post("/v1/tenants", &tenant.to_string())?;
        for user in setup.users.clone() {
            let direct = setup.direct_media;
            let user =
                serde_json::json!({"name": format!("u{user}"), "password": "secret", "direct_media": direct});
            self.post("/v1/tenants/bench/users", &user.to_string())?;
        }
        Ok(())
    }

    fn post(&mut self, path: &str, body: &str) -> Result<(), Trouble> {
        match self.ask("POST", path, body)? {
            200..300 => Ok(()),
            status => Err(format!("POST {path} {body}: {status}").into()),
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<u16, Trouble> {
        let result = self.exchange(method, path, body);
        if result.is_err() {
            self.stream = None;
        }
        result
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> Result<u16, Trouble> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(2))?;
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                stream.set_nodelay(true)?;
                none.insert(stream)
            }
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece)?;
            answer.extend_from_slice(&piece[..count]);
            if let Some(status) = whole(&answer) {
                return Ok(status);
            }
            if count == 0 {
                return Err("the API hung up".into());
            }
        }
    }
}

/// The status of an answer, once all of it is there.
fn whole(answer: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(whole(answer), Some(201));
        assert_eq!(whole(&answer[..answer.len() - 1]), None);
    }
}
