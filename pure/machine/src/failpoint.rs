use serde::{Deserialize, Serialize};

/// What a failpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Panics inside the decision.
    Panic,
    /// Kills the whole process at once, as a SIGKILL would.
    Abort,
    /// Never comes back.
    Hang,
}

/// A fault that drills plant on purpose: it strikes when a request is for the user `dialed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failpoint {
    /// The user part that sets it off.
    pub dialed: String,
    /// What happens.
    pub fault: Fault,
}

impl Failpoint {
    /// Strikes, if a request for `user` is meant.
    pub fn strike(&self, user: &[u8]) {
        if user != self.dialed.as_bytes() {
            return;
        }
        match self.fault {
            Fault::Panic => panic!("failpoint: a request for {} panics", self.dialed),
            Fault::Abort => std::process::abort(),
            Fault::Hang => loop {
                std::hint::spin_loop();
            },
        }
    }
}
