//! Servers on loopback ports of their own, with a directory that goes with them.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server; killed with its value.
pub(crate) struct Server {
    child: Option<Child>,
    folder: PathBuf,
    pub(crate) port: u16,
}

/// A port that nobody has just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("nats-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

impl Server {
    /// One with JetStream, that lets everybody in.
    pub(crate) fn start() -> Self {
        Server::with("")
    }

    /// One with more configuration.
    pub(crate) fn with(more: &str) -> Self {
        Server::on(free_port(), folder(), more)
    }

    /// One on `port` that keeps its state in `folder`.
    pub(crate) fn on(port: u16, folder: PathBuf, more: &str) -> Self {
        let store = folder.join("store");
        let streams =
            format!("jetstream {{ store_dir: \"{}\", max_mem: 64MB, max_file: 1GB }}", store.display());
        Server::without_streams(port, folder, &format!("{streams}\n{more}"))
    }

    /// One without JetStream.
    pub(crate) fn without_streams(port: u16, folder: PathBuf, more: &str) -> Self {
        let mut server = Server { child: None, folder, port };
        let config = format!("listen: 127.0.0.1:{port}\nmax_payload: 8MB\n{more}\n");
        std::fs::write(server.folder.join("config"), config).unwrap();
        server.run();
        server
    }

    /// Starts it (again) and waits until it takes connections.
    pub(crate) fn run(&mut self) {
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(self.folder.join("config"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
