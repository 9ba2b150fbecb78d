//! The bus of one host as a stage, and its members.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use strowger_bus::{Client, Endpoint, KeptKeys, KeptStreams, Local, Member, Server, Topology};

use crate::seam::{Gone, Looped, Stage};

/// A runtime directory that goes with its test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bus-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn topology(&self, threads: u16) -> Topology {
        Topology::new(&self.0, threads)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// One host.
pub(crate) struct OneHost {
    topology: Topology,
    dir: Dir,
}

impl Stage for OneHost {
    type Carrier = Local;
    type Mailbox = Endpoint;
    type Streams = KeptStreams;
    type Keys = KeptKeys;

    async fn new(signalling: u16) -> Self {
        let dir = Dir::new();
        OneHost { topology: dir.topology(signalling), dir }
    }

    fn client(&self) -> Client<Local> {
        Client::local(self.topology.clone())
    }

    fn signalling(&self, number: u16) -> Endpoint {
        endpoint(&self.topology, Member::Signalling(number))
    }

    fn media(&self) -> Endpoint {
        endpoint(&self.topology, Member::Media)
    }

    fn office(&self, server: Server) -> Gone {
        office(&self.topology, server)
    }

    async fn settle(&self) {}

    fn streams(&self) -> KeptStreams {
        KeptStreams::open(self.dir.path().join("streams")).unwrap()
    }

    fn keys(&self, bucket: &str) -> KeptKeys {
        KeptKeys::open(self.dir.path(), bucket).unwrap()
    }
}

pub(crate) fn endpoint(topology: &Topology, member: Member) -> Endpoint {
    Endpoint::new(topology.clone(), topology.bind(member).unwrap()).unwrap()
}

pub(crate) fn office(topology: &Topology, server: Server) -> Gone {
    let listener = topology.bind(Member::Office).unwrap();
    Gone::spawn(async move { server.serve(listener).await.unwrap() })
}

/// A thread that answers as `member`.
pub(crate) fn thread(topology: &Topology, member: Member) -> Looped<Endpoint> {
    Looped::start(endpoint(topology, member))
}

/// A thread that answers on a socket that somebody else holds.
pub(crate) fn thread_on(topology: &Topology, listener: UnixListener) -> Looped<Endpoint> {
    Looped::start(Endpoint::new(topology.clone(), listener).unwrap())
}
