//! Who is there and who owns what: the brokers agree on it, and the broker of each host tells the others there.
//!
//! Nobody waits for it while a call is set up: everybody goes by the newest [`View`] that it has.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use machine::{CellId, Epoch, Shard};
use serde::{Deserialize, Serialize};

use crate::query::Gauges;
use crate::{Conversation, NodeId, Notice, Repeat, Role, Subject};

/// One host's platform, as the others see it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its number.
    pub node: NodeId,
    /// What would be lost together with it: a host, a rack.
    pub host: String,
    /// What runs there. Only with [`Role::Exchange`] it owns shards.
    pub roles: Vec<Role>,
    /// Where each of its signalling threads hears other nodes, the first thread's first.
    pub inside: Vec<SocketAddr>,
    /// Addresses that phones speak to and that are its own for ever.
    pub addresses: Vec<IpAddr>,
    /// Addresses that phones speak to and that it can hold, the dearest first; of all who can, one does.
    pub floating: Vec<IpAddr>,
    /// Where its media hears probes ([`crate::paths`]); none: nobody probes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed: Option<SocketAddr>,
    /// It shall own nothing any more.
    pub draining: bool,
    /// It owns nothing as long as another one can: it follows, to go on if one is lost.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spare: bool,
    /// Another number than before: it comes back without what it knew. 0: it does not say.
    #[serde(skip_serializing_if = "is_zero")]
    pub life: u64,
    /// With which version of the view it came: what it said by an older one, before it was lost, is not heard. The
    /// brokers say it.
    pub since: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Node {
    /// How many signalling threads it has, at least one.
    pub fn threads(&self) -> u16 {
        u16::try_from(self.inside.len()).unwrap_or(u16::MAX).max(1)
    }
}

/// Who owns a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// The owner; none as long as nobody could.
    #[serde(rename = "n")]
    pub node: Option<NodeId>,
    /// How often the shard has changed its owner: what is said under a lower one is not heard.
    #[serde(rename = "e")]
    pub epoch: Epoch,
    /// Who follows the owner's journal, to go on if the owner is lost.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    pub buddy: Option<NodeId>,
    /// The buddy has all that lives in the shard, as the owner said ([`Followed`]).
    #[serde(rename = "s", skip_serializing_if = "std::ops::Not::not")]
    pub synced: bool,
    /// Who should be the buddy, if that is somebody else: the owner tells it everything, too, and as soon as it has
    /// a whole copy ([`Followed`]) it is the buddy.
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    pub next: Option<NodeId>,
    /// Who should own it, if that is somebody else: the owner hands it on.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub wanted: Option<NodeId>,
}

/// A cell of the platform, as all others know it: a platform of its own, with brokers, exchanges, edges, bus and store.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cell {
    /// Its number, from 1 on.
    pub number: CellId,
    /// What people call it.
    pub name: String,
    /// Its brokers, and where they are heard.
    pub seats: Vec<(NodeId, SocketAddr)>,
    /// Where its offices are heard: `http://ADDRESS:PORT`.
    pub offices: Vec<String>,
    /// When it said so, microseconds since 1970: of two that have its number, the later counts.
    pub stamp: u64,
}

impl Cell {
    /// Whether it says the same as `other`, whenever that was said.
    pub fn is_like(&self, other: &Cell) -> bool {
        let Cell { number, name, seats, offices, stamp: _ } = self;
        (*number, name, seats, offices) == (other.number, &other.name, &other.seats, &other.offices)
    }
}

/// What the brokers agreed on last, as far as one of them knows.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Rises with each change; 0: nobody has agreed on anything yet.
    pub version: u64,
    /// Whose copy this is.
    pub me: NodeId,
    /// Who is there, by their numbers.
    pub nodes: Vec<Node>,
    /// Who owns each shard, by its number.
    pub owners: Vec<Owner>,
    /// Who holds which address that phones speak to, fixed and floating ones.
    pub holders: Vec<(IpAddr, NodeId)>,
    /// Which cell this is; [`CellId::HOME`] if there are none.
    #[serde(skip_serializing_if = "is_home")]
    pub cell: CellId,
    /// All cells of the platform that this one knows, itself among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
    /// Which of them do not answer the broker of this host. Said in the answer to [`Look`] only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub out_of_reach: Vec<CellId>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_home(cell: &CellId) -> bool {
    cell.is_home()
}

impl View {
    /// Who owns `shard`, by its number in the cell that this is the view of.
    pub fn owner(&self, shard: Shard) -> Owner {
        self.owners.get(usize::from(shard.number())).copied().unwrap_or_default()
    }

    /// The node of that number, if it is there.
    pub fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|it| it.node == node)
    }

    /// The cell of that number, if it is known.
    pub fn cell(&self, number: CellId) -> Option<&Cell> {
        self.cells.iter().find(|it| it.number == number)
    }

    /// All known cells but this one.
    pub fn other_cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|it| it.number != self.cell)
    }

    /// Who hears what phones send to `address`.
    pub fn holder(&self, address: IpAddr) -> Option<NodeId> {
        self.holders.iter().find(|(held, _)| *held == address).map(|&(_, node)| node)
    }
}

/// Asks the broker of this host for the newest view.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {}

impl Conversation for Look {
    type Answer = View;
    const SUBJECT: Subject = Subject::new(Role::Broker, "look");
    const WITHIN: Duration = Duration::from_millis(500);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// The broker of this host tells its exchanges the newest view.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Changed(pub View);

impl Notice for Changed {
    const SUBJECT: Subject = Subject::new(Role::Exchange, "cluster");
}

/// The broker of this host tells its exchanges how another cell does: each second, and at once if it has changed.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Beyond {
    /// Which cell.
    pub cell: CellId,
    /// It answers. Else it is out of reach: nothing is asked of it nor handed to it.
    pub reachable: bool,
    /// Its newest view, if it is another than was told before. It is good for one thing: to find who is spoken to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

impl Notice for Beyond {
    const SUBJECT: Subject = Subject::new(Role::Exchange, "beyond");
}

/// An owner has handed shards on, with all that lives in them: `to` has it all, and the owner decides nothing about
/// them any more. Those that had another epoch by then come too late: they stay whose they are.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HandOn {
    /// Which, and under which epoch.
    pub shards: Vec<(Shard, Epoch)>,
    /// To whom.
    pub to: NodeId,
}

/// An owner says of shards that `by` has all that lives in them, and hears from now on whatever happens there
/// before the world does; or (not `whole`) that it has not any more. To be said until the view has it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Followed {
    /// Which, and under which epoch: what is said under another is not heard.
    pub shards: Vec<(Shard, Epoch)>,
    /// Who follows: [`Owner::buddy`], [`Owner::next`] or [`Owner::wanted`].
    pub by: NodeId,
    /// Whether it has it all.
    pub whole: bool,
}

impl Conversation for Followed {
    type Answer = Agreed;
    const SUBJECT: Subject = Subject::new(Role::Broker, "followed");
    const WITHIN: Duration = Duration::from_millis(1000);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// The answer to [`HandOn`], [`Followed`] and [`Drain`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Agreed {
    /// The version of the first view that has it; 0: the brokers could not agree, ask again.
    pub version: u64,
}

impl Conversation for HandOn {
    type Answer = Agreed;
    const SUBJECT: Subject = Subject::new(Role::Broker, "hand_on");
    const WITHIN: Duration = Duration::from_millis(1000);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// A node shall own nothing any more, or (`back`) shall own again.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Drain {
    /// Which one.
    pub node: NodeId,
    /// It comes back.
    pub back: bool,
}

impl Conversation for Drain {
    type Answer = Agreed;
    const SUBJECT: Subject = Subject::new(Role::Broker, "drain");
    const WITHIN: Duration = Duration::from_millis(2000);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// Asks a broker how it does.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauge {}

impl Conversation for Gauge {
    type Answer = Gauges;
    const SUBJECT: Subject = Subject::new(Role::Broker, "gauge");
    const WITHIN: Duration = Duration::from_millis(500);
    const REPEATED: Repeat = Repeat::Fresh;
}
