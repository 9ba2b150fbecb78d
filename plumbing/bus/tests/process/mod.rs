//! A member in a process of its own: this test binary once more, its listener dealt as standard input.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

const DEALT: &str = "BUS_TEST_LISTENER_ON_STDIN";

pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(test: &str, listener: &UnixListener) -> Self {
        let stdin = OwnedFd::from(listener.try_clone().unwrap());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(DEALT, "1")
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Process(child)
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _dead_already = self.0.kill();
        let _reaped_already = self.0.wait();
    }
}

/// The listener, if this is such a process.
pub(crate) fn dealt() -> Option<UnixListener> {
    std::env::var_os(DEALT)?;
    let descriptor = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    Some(UnixListener::from(descriptor))
}
