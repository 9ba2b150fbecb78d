use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::NodeId;
use machine::Secret;
use openraft::EmptyNode;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Brokers, Raft};
use crate::wire::{Purpose, Wire, WireError};

/// How long a seat that can't be reached is left alone.
const PAUSE: Duration = Duration::from_millis(50);
/// A seat that asks nothing for so long calls again when it wants something.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    Append(AppendEntriesRequest<Brokers>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<Brokers>),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Append(AppendEntriesResponse<u64>),
    Vote(VoteResponse<u64>),
    Snapshot(InstallSnapshotResponse<u64>),
}

type Failed<E> = RPCError<u64, EmptyNode, RaftError<u64, E>>;

/// How a seat reaches the others.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) me: NodeId,
    pub(crate) seats: Arc<BTreeMap<u64, SocketAddr>>,
    pub(crate) secret: Secret,
}

/// A seat that this one asks, one thing after the other.
#[derive(Debug)]
pub(crate) struct Peer {
    network: Network,
    address: Option<SocketAddr>,
    wire: Option<Wire>,
}

impl RaftNetworkFactory<Brokers> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &EmptyNode) -> Peer {
        Peer { address: self.seats.get(&target).copied(), network: self.clone(), wire: None }
    }
}

/// Why a seat has no answer.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("no answer in time")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("it answered something else")]
    Astray,
    #[error("nobody knows where it is")]
    Unknown,
}

impl Peer {
    /// A connection on which anything went wrong, or on which an answer is still to come, is not used again.
    async fn ask<T, E: std::error::Error>(
        &mut self,
        ask: Ask,
        within: Duration,
        read: impl Fn(Answer) -> Option<T>,
    ) -> Result<T, Failed<E>> {
        let wire = self.wire.take();
        let asked = timeout(within, self.ask_on(wire, &ask)).await.map_err(Unheard::from).flatten();
        let answer = asked.and_then(|(answer, wire)| {
            self.wire = Some(wire);
            read(answer).ok_or(Unheard::Astray)
        });
        answer.map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))
    }

    async fn ask_on(&self, wire: Option<Wire>, ask: &Ask) -> Result<(Answer, Wire), Unheard> {
        let mut wire = match wire {
            Some(wire) => wire,
            None => {
                let address = self.address.ok_or(Unheard::Unknown)?;
                Wire::call(address, (self.network.me, Purpose::Raft), &self.network.secret).await?
            }
        };
        wire.writing.say(ask).await?;
        let answer = wire.reading.next(IDLE).await?;
        Ok((answer, wire))
    }
}

impl RaftNetwork<Brokers> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Brokers>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed<openraft::error::Infallible>> {
        let read = |answer| if let Answer::Append(it) = answer { Some(it) } else { None };
        self.ask(Ask::Append(rpc), option.hard_ttl(), read).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, Failed<openraft::error::Infallible>> {
        let read = |answer| if let Answer::Vote(it) = answer { Some(it) } else { None };
        self.ask(Ask::Vote(rpc), option.hard_ttl(), read).await
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Brokers>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<InstallSnapshotError>> {
        let read = |answer| if let Answer::Snapshot(it) = answer { Some(it) } else { None };
        self.ask(Ask::Snapshot(rpc), option.hard_ttl(), read).await
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(PAUSE))
    }
}

/// Answers another seat until it is gone, or until this one can't answer any more.
pub(crate) async fn converse(raft: &Raft, mut wire: Wire) -> Result<(), WireError> {
    loop {
        let answer = match wire.reading.next(IDLE).await? {
            Ask::Append(rpc) => raft.append_entries(rpc).await.ok().map(Answer::Append),
            Ask::Vote(rpc) => raft.vote(rpc).await.ok().map(Answer::Vote),
            Ask::Snapshot(rpc) => raft.install_snapshot(rpc).await.ok().map(Answer::Snapshot),
        };
        match answer {
            Some(answer) => wire.writing.say(&answer).await?,
            None => return Ok(()),
        }
    }
}
