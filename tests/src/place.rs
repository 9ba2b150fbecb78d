use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// Where peers are, and whom they speak to.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    address: Ipv4Addr,
    sip: SocketAddr,
    peers: AtomicU8,
}

impl Place {
    /// Peers at `address`, whose files are in `folder`, and a platform that hears SIP at `sip`.
    pub fn new(folder: PathBuf, address: Ipv4Addr, sip: SocketAddr) -> Place {
        Place { folder, address, sip, peers: AtomicU8::new(0) }
    }

    /// Where the platform hears SIP.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// The address of the peers.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Files of the platform and its peers.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A name for a peer that no other peer of this place has.
    pub(crate) fn name_for(&self, what: &str) -> String {
        format!("{what}-{}", self.peers.fetch_add(1, Ordering::Relaxed))
    }
}
