//! A server that a measurement starts, and that ends with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use strowger_io::{Pidfd, Signal};

use crate::Trouble;

/// How long it has to end in good order.
const PATIENCE: Duration = Duration::from_secs(8);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    child: Child,
    handle: Pidfd,
    log: PathBuf,
}

impl Server {
    /// Starts `command`; what it says goes into a file in `folder`.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self, Trouble> {
        let path = folder.join(format!("{name}.log"));
        let log = File::create(&path)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.map_err(|error| format!("{name}: {error}"))?;
        let handle = Pidfd::of_child(child.id())?;
        Ok(Server { name: name.to_owned(), child, handle, log: path })
    }

    /// Its process; all others descend from it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_ready`, `within` at most.
    pub(crate) fn wait_until(
        &mut self,
        within: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<(), Trouble> {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended with {status}:\n{}", self.name, self.last_words()).into());
            }
            if is_ready() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("{} is not ready:\n{}", self.name, self.last_words()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The end of what it said.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn ended(&mut self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.handle.signal(Signal::Terminate);
            if !self.ended(PATIENCE) {
                eprintln!("{} does not end by itself", self.name);
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// A folder that ends with the measurement.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, below the system's folder for such things.
    pub(crate) fn new(name: &str) -> Result<Self, Trouble> {
        let path = std::env::temp_dir().join(format!("strowger-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    /// A folder in memory: where a platform keeps its journals.
    pub(crate) fn in_memory(name: &str) -> Result<Self, Trouble> {
        let path = Path::new("/dev/shm").join(format!("strowger-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
