use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bus::Topology;
use contract::NodeId;
use machine::Secret;
use media::Settings;

use crate::probing::Around;

/// What a media worker is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub node: NodeId,
    /// What our streams' numbers are drawn with.
    pub secret: Secret,
    /// Where the bus is.
    pub topology: Topology,
    /// The folder of the journals.
    pub runtime: PathBuf,
    /// The size of each thread's journal, bytes.
    pub journal: usize,
    /// Packet threads.
    pub threads: usize,
    /// The addresses that phones are told, one for each family whose ports are bound to another.
    pub advertised: Vec<IpAddr>,
    /// A folder with WAV files.
    pub prompts: Option<PathBuf>,
    /// Under load a thread looks only so often, and finds more at a time: the most that it adds to a packet's
    /// way. Zero: it looks at once.
    pub gather: Duration,
    /// What an operator can turn of what is decided.
    pub settings: Settings,
    /// Who else is there; none: this host is alone.
    pub around: Option<Around>,
}

impl Config {
    /// The usual, for a platform whose runtime folder is that of `topology`.
    pub fn new(secret: Secret, topology: Topology, runtime: PathBuf) -> Self {
        Config {
            node: NodeId(0),
            secret,
            topology,
            runtime,
            journal: 32 << 20,
            threads: 1,
            advertised: Vec::new(),
            prompts: None,
            gather: Duration::from_micros(650),
            settings: Settings::default(),
            around: None,
        }
    }
}
