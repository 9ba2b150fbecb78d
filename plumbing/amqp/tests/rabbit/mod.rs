//! A broker on loopback ports of its own: its node's name, its port mapper and its directory too.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A broker; killed with its value, and all that it has started.
pub(crate) struct Rabbit {
    folder: PathBuf,
    mapper: Child,
    mapper_port: u16,
    port: u16,
    talk_port: u16,
    node: Option<Child>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16, within: Duration) -> bool {
    let until = Instant::now() + within;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

impl Rabbit {
    pub(crate) fn start() -> Self {
        let (port, talk_port, mapper_port) = (free_port(), free_port(), free_port());
        let folder = std::env::temp_dir().join(format!("rabbit-{}-{port}", std::process::id()));
        std::fs::create_dir_all(folder.join("home")).unwrap();
        std::fs::write(folder.join("plugins"), "[].").unwrap();
        // In the foreground, so that it goes with us; else the node would leave one behind.
        let mapper = Command::new("epmd")
            .args(["-address", "127.0.0.1", "-port", &mapper_port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert!(wait_for(mapper_port, Duration::from_secs(10)), "no port mapper");
        let mut rabbit = Rabbit { folder, mapper, mapper_port, port, talk_port, node: None };
        rabbit.run();
        rabbit
    }

    /// Starts it (again) and waits until it takes connections.
    pub(crate) fn run(&mut self) {
        let path = |name: &str| self.folder.join(name);
        let log = std::fs::File::create(path("log")).unwrap();
        let node = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server")
            .env("HOME", path("home"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("RABBITMQ_NODENAME", format!("strowger{}@localhost", self.port))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.talk_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("logs"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", path("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins"))
            .env("RABBITMQ_CONFIG_FILE", path("none"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-start_epmd false")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        self.node = Some(node);
        assert!(wait_for(self.port, Duration::from_secs(60)), "{}", self.log());
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// SIGKILL to it and to what it has started.
    pub(crate) fn kill(&mut self) {
        let Some(mut node) = self.node.take() else { return };
        let group = format!("-{}", node.id());
        let killed = Command::new("kill").args(["-KILL", "--", &group]).status().unwrap();
        assert!(killed.success());
        node.wait().unwrap();
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill();
        let _ = self.mapper.kill();
        let _ = self.mapper.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
