use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A process that the test started, and that ends with it.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
}

impl Peer {
    /// Starts `command`, its output going to a file in `folder`.
    ///
    /// # Panics
    /// When it cannot be started: a peer that is missing is no peer that passed.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Peer {
        let log = File::create(folder.join(format!("{name}.log"))).expect("a log file");
        let again = log.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(again).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Peer { name: name.to_owned(), child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends `signal`.
    pub fn signal(&self, signal: i32) {
        signal_to(self.child.id(), signal);
    }

    /// Waits for its end, `within` at most.
    pub fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + within;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.ended(Duration::ZERO).is_none() {
            self.signal(libc::SIGTERM);
            // A process that was stopped ends no sooner than it goes on.
            self.signal(libc::SIGCONT);
            // A supervisor gives its workers ten seconds; and one that is killed is followed by another.
            if self.ended(Duration::from_secs(15)).is_none() {
                eprintln!("{} did not end by SIGTERM", self.name);
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// Sends `signal` to the process `id`, and to nobody else.
#[allow(unsafe_code)]
pub fn signal_to(id: u32, signal: i32) {
    if let Ok(id) = libc::pid_t::try_from(id)
        && id > 1
    {
        // SAFETY: kill() reads two numbers and touches no memory.
        unsafe { libc::kill(id, signal) };
    }
}
