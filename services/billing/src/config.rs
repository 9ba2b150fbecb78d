use std::path::PathBuf;
use std::time::Duration;

use ledger::Rate;

/// What calls cost, and how long billing waits for a word of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The one rate of the platform.
    pub rate: Rate,
    /// A call of which nobody spoke for so long is taken for lost: its reservation is released. It is charged all
    /// the same if its end is told later.
    pub abandon_after: Duration,
    /// A call of a payer of whom nothing is known goes on for so long while the store is away.
    pub offline: Duration,
    /// The journal, on tmpfs: what was decided and is not in the books yet.
    pub journal: PathBuf,
    /// Its size: about 500 bytes a call that goes on.
    pub journal_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            rate: Rate::default(),
            abandon_after: Duration::from_secs(24 * 3600),
            offline: Duration::from_secs(600),
            journal: PathBuf::from("journal-billing"),
            journal_bytes: 16 << 20,
        }
    }
}
