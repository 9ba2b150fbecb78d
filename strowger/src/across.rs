//! Who is on this host and who on another, and one bus to all of them.
//!
//! A process that speaks beyond its host has one [`Across`]: one connection, and one idea of who is where. What is
//! for somebody here goes the way it always went. Alone there is none, and nothing of this runs.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use bus::{Client, Counters, Endpoint, Joined, Mailbox, NotSent, Peer, Received, Side};
use contract::cluster::View;
use contract::{Envelope, NodeId, Role, To};
use machine::Shard;
use nats::{Nats, NatsCarrier, NatsError, NatsMailbox, Who};

use crate::config::Config;
use crate::places::Places;

/// How often the newest view is looked for on the disk.
const LOOK: Duration = Duration::from_millis(100);

/// Why the bus between hosts is not joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcrossError {
    #[error("nats: {0}")]
    Nats(#[from] NatsError),
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    #[error("view: {0}")]
    Thread(#[from] std::io::Error),
}

/// This process among those of all hosts. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Across {
    nats: Nats,
    whereabouts: Whereabouts,
}

impl Across {
    /// Joins the bus between hosts, if there is one. Nobody waits for its servers.
    pub(crate) fn start(config: &Config, places: &Places) -> Result<Option<Across>, AcrossError> {
        if !config.cluster.is_one_of_several() {
            return Ok(None);
        }
        let nats = Nats::start(config.nats.options(&config.cluster))?;
        let views = Views::follow(places.view())?;
        let whereabouts = Whereabouts { me: config.cluster.me(), roles: config.cluster.roles(), views };
        Ok(Some(Across { nats, whereabouts }))
    }

    /// The connection.
    pub(crate) fn nats(&self) -> &Nats {
        &self.nats
    }

    /// The newest view, as far as this process knows; whoever hears of a newer one tells it here.
    pub(crate) fn views(&self) -> &Views {
        &self.whereabouts.views
    }

    /// One of this host's who hears: `what` is his name here, `roles` are those of his that run here.
    pub(crate) fn who(&self, what: &str, roles: &[Role]) -> Who {
        let Whereabouts { me, roles: here, .. } = &self.whereabouts;
        let roles = roles.iter().copied().filter(|role| here.contains(role)).collect();
        Who { name: format!("{what}-{}", me.0), node: *me, roles }
    }

    /// Asks and tells all, on whichever host: `near` knows those of this one.
    pub(crate) fn client(&self, near: Client) -> Client<Joined<Client, Client<NatsCarrier>, Whereabouts>> {
        Client::over(Joined::carrier(near, self.nats.client(), self.whereabouts.clone()))
    }
}

/// The bus of a loop: of this host alone, or of all.
#[derive(Debug)]
pub(crate) enum Postbox {
    Near(Box<Endpoint>),
    Joined(Box<Joined<Endpoint, NatsMailbox, Whereabouts>>),
}

impl Postbox {
    /// Of this host alone.
    pub(crate) fn near(endpoint: Endpoint) -> Postbox {
        Postbox::Near(Box::new(endpoint))
    }

    /// The postbox of `what` (see [`Across::who`]): of all hosts, if there are others.
    pub(crate) fn open(
        across: Option<&Across>,
        near: Endpoint,
        what: &str,
        roles: &[Role],
    ) -> Result<Postbox, AcrossError> {
        let Some(across) = across else { return Ok(Postbox::near(near)) };
        let far = across.nats.mailbox(across.who(what, roles))?;
        let joined = Joined::mailbox(near, far, across.whereabouts.clone())?;
        Ok(Postbox::Joined(Box::new(joined)))
    }

    /// The postbox of signalling thread `thread`.
    pub(crate) fn of_thread(
        across: Option<&Across>,
        near: Endpoint,
        thread: u16,
    ) -> Result<Postbox, AcrossError> {
        let what = format!("signalling-{thread}-of");
        Postbox::open(across, near, &what, &[Role::Edge, Role::Exchange, Role::Apps])
    }

    /// From now on, what is said anywhere to the owners of exactly these shards is heard here.
    pub(crate) fn own(&self, shards: impl IntoIterator<Item = Shard>) {
        if let Postbox::Joined(joined) = self {
            joined.far().own(shards);
        }
    }

    fn mailbox(&self) -> &dyn Mailbox {
        match self {
            Postbox::Near(near) => &**near,
            Postbox::Joined(joined) => &**joined,
        }
    }

    fn mailbox_mut(&mut self) -> &mut dyn Mailbox {
        match self {
            Postbox::Near(near) => &mut **near,
            Postbox::Joined(joined) => &mut **joined,
        }
    }
}

impl AsFd for Postbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mailbox().as_fd()
    }
}

impl Mailbox for Postbox {
    fn ready(&mut self) {
        self.mailbox_mut().ready();
    }

    fn receive(&mut self) -> Option<Received> {
        self.mailbox_mut().receive()
    }

    fn send_to(&mut self, to: To, envelope: &Envelope) -> Result<(), NotSent> {
        self.mailbox_mut().send_to(to, envelope)
    }

    fn send(&mut self, envelope: &Envelope) -> Result<(), NotSent> {
        self.mailbox_mut().send(envelope)
    }

    fn answer(&mut self, to: Peer, envelope: &Envelope) -> Result<(), NotSent> {
        self.mailbox_mut().answer(to, envelope)
    }

    fn flush(&mut self) {
        self.mailbox_mut().flush();
    }

    fn counters(&self) -> Counters {
        self.mailbox().counters()
    }
}

/// Knows on which side of the bus somebody is.
#[derive(Clone, Debug)]
pub(crate) struct Whereabouts {
    me: NodeId,
    roles: Vec<Role>,
    views: Views,
}

impl bus::Map for Whereabouts {
    fn side(&self, role: Role, to: To) -> Side {
        let is_here = self.roles.contains(&role);
        let is_near = match (role, to) {
            (_, To::Node(node)) => node == self.me,
            // Each host has a broker worker, with a seat or without, and asks no other.
            (Role::Broker, _) => true,
            (Role::Edge | Role::Exchange | Role::Apps, To::Owner(shard)) => match self.views.owner(shard) {
                Ok(owner) => owner == Some(self.me),
                Err(NothingSaid) => is_here,
            },
            (Role::Edge | Role::Exchange | Role::Apps | Role::Media, To::All) if is_here => {
                return Side::Both;
            }
            // Offices share one store: what one of them hears, all know.
            (_, To::Any | To::All | To::Owner(_)) => is_here,
        };
        if is_near { Side::Near } else { Side::Far }
    }
}

/// The brokers have said nothing yet: everybody goes on with what he has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NothingSaid;

/// A file by its number and its time.
type Seen = (u64, SystemTime);

/// The newest view that this process has. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Views(Arc<RwLock<Arc<View>>>);

impl Views {
    /// Reads the file at `path` now, and whenever it has changed, for as long as anybody wants to know.
    pub(crate) fn follow(path: PathBuf) -> std::io::Result<Views> {
        let views = Views::default();
        let mut seen = views.look(&path, None);
        let weak = Arc::downgrade(&views.0);
        let look = move || {
            while let Some(views) = weak_views(&weak) {
                seen = views.look(&path, seen);
                drop(views);
                std::thread::sleep(LOOK);
            }
        };
        std::thread::Builder::new().name("view".to_owned()).spawn(look)?;
        Ok(views)
    }

    /// The newest; of version 0 as long as there is none.
    pub(crate) fn newest(&self) -> Arc<View> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody has heard of `view`: it counts if it is newer than what is known. Whether it was.
    pub(crate) fn learn(&self, view: View) -> bool {
        let mut newest = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_newer = view.version > newest.version;
        if is_newer {
            *newest = Arc::new(view);
        }
        is_newer
    }

    /// Who owns `shard`, if anybody does.
    fn owner(&self, shard: Shard) -> Result<Option<NodeId>, NothingSaid> {
        let newest = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if newest.version > 0 { Ok(newest.owner(shard).node) } else { Err(NothingSaid) }
    }

    /// Reads the file, if it is not the one that was `seen`: two may come within one tick of the file system's clock,
    /// but not under one number.
    fn look(&self, path: &Path, seen: Option<Seen>) -> Option<Seen> {
        let stamp = |file: std::fs::Metadata| Ok((file.ino(), file.modified()?));
        let changed = std::fs::metadata(path).and_then(stamp).ok();
        if changed.is_none() || changed == seen {
            return seen;
        }
        match std::fs::read(path).map(|bytes| contract::decode::<View>(&bytes)) {
            Ok(Ok(view)) => drop(self.learn(view)),
            Ok(Err(error)) => tracing::warn!(%error, path = %path.display(), "the view cannot be read"),
            // It is looked for again.
            Err(_) => return seen,
        }
        changed
    }
}

fn weak_views(views: &Weak<RwLock<Arc<View>>>) -> Option<Views> {
    views.upgrade().map(Views)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::Map as _;
    use contract::cluster::Owner;

    fn view(version: u64, owner: u16) -> View {
        let owner = Owner { node: Some(NodeId(owner)), ..Owner::default() };
        View { version, owners: vec![owner; 4096], ..View::default() }
    }

    fn on(roles: &[Role]) -> Whereabouts {
        Whereabouts { me: NodeId(1), roles: roles.to_vec(), views: Views::default() }
    }

    #[test]
    fn what_is_here_is_near_and_what_is_not_is_far() {
        let signalling = on(&[Role::Edge, Role::Exchange, Role::Apps]);
        let office = on(&[Role::Api, Role::Billing]);
        for (here, role, to, side) in [
            (&signalling, Role::Media, To::Any, Side::Far),
            (&signalling, Role::Media, To::Node(NodeId(1)), Side::Near),
            (&signalling, Role::Media, To::Node(NodeId(2)), Side::Far),
            (&signalling, Role::Exchange, To::All, Side::Both),
            (&signalling, Role::Api, To::All, Side::Far),
            (&signalling, Role::Broker, To::Any, Side::Near),
            (&office, Role::Exchange, To::All, Side::Far),
            (&office, Role::Billing, To::Any, Side::Near),
            (&office, Role::Api, To::All, Side::Near),
        ] {
            assert_eq!(here.side(role, to), side, "{role:?} {to:?}");
        }
    }

    #[test]
    fn a_shards_owner_is_where_the_newest_view_says() {
        let here = on(&[Role::Media]);
        let side = || here.side(Role::Exchange, To::Owner(Shard::of(7)));
        assert_eq!(side(), Side::Far, "who is not here is elsewhere");
        assert!(here.views.learn(view(2, 1)));
        assert_eq!(side(), Side::Near);
        assert!(!here.views.learn(view(1, 2)), "it is older");
        assert_eq!(side(), Side::Near);
        assert!(here.views.learn(view(3, 2)));
        assert_eq!(side(), Side::Far);
    }

    #[test]
    fn a_view_on_the_disk_is_found_as_it_changes() {
        let path = std::env::temp_dir().join(format!("strowger-view-{}", std::process::id()));
        let write = |view: &View| {
            let draft = path.with_extension("draft");
            std::fs::write(&draft, contract::encode(view)).unwrap();
            std::fs::rename(&draft, &path).unwrap();
        };
        write(&view(1, 1));
        let views = Views::follow(path.clone()).unwrap();
        assert_eq!(views.newest().version, 1);
        write(&view(2, 3));
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while views.newest().version < 2 && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(views.owner(Shard::of(0)), Ok(Some(NodeId(3))));
        std::fs::remove_file(&path).unwrap();
    }
}
