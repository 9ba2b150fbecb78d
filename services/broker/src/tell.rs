//! Tells the other processes of this host what was agreed on: by a file, and on the bus.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::Client;
use contract::cluster::{Changed, View};
use contract::{CellId, NodeId};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::cells::Beyond;

/// How often the newest view is told, even if it is an old one: who has just started knows none.
const AGAIN: Duration = Duration::from_secs(1);
/// Each so many times, the views of other cells are told again, too.
const ALL: u32 = 5;

/// The view that was written at `path` by a predecessor of `me`; the empty one if there is none.
pub(crate) fn recall(path: &Path, me: NodeId) -> View {
    let read = || -> io::Result<View> {
        let view: View = contract::decode(&fs::read(path)?).map_err(io::Error::other)?;
        if view.me == me { Ok(view) } else { Err(io::Error::other("it is another node's")) }
    };
    read().unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            tracing::warn!(path = %path.display(), %error, "the view that was written there is passed over");
        }
        View { me, ..View::default() }
    })
}

/// Writes and tells each view that comes, and the newest again and again.
pub(crate) async fn tell(mut views: watch::Receiver<Arc<View>>, path: PathBuf, bus: Client) {
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = views.changed() => {
                if changed.is_err() {
                    return;
                }
                let (view, path) = (views.borrow_and_update().clone(), path.clone());
                tracing::info!(version = view.version, nodes = view.nodes.len(), "the brokers agreed");
                let written = tokio::task::spawn_blocking(move || write(&path, &view)).await;
                if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    tracing::warn!(%error, "what the brokers agreed on could not be written");
                }
            }
            _ = again.tick() => {}
        }
        let view = views.borrow().clone();
        if view.version > 0
            && let Err(error) = bus.tell(None, &Changed((*view).clone()))
        {
            tracing::debug!(%error, "somebody here was not told what the brokers agreed on");
        }
    }
}

/// Where the view of another cell is written.
fn beside(path: &Path, cell: CellId) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-{cell}"));
    name.into()
}

/// The view of another cell that was written beside `path`.
pub(crate) fn recall_beyond(path: &Path, cell: CellId) -> Option<View> {
    let view: View = contract::decode(&fs::read(beside(path, cell)).ok()?).ok()?;
    (view.cell == cell).then_some(view)
}

/// Writes and tells how other cells do: what is new at once, who answers each second, and everything now and then.
pub(crate) async fn tell_beyond(mut states: watch::Receiver<Arc<Beyond>>, path: PathBuf, bus: Client) {
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, mut count) = (Arc::new(Beyond::new()), 0_u32);
    loop {
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            _ = again.tick() => count += 1,
        }
        let now = states.borrow_and_update().clone();
        for (&cell, state) in now.iter() {
            let known = told.get(&cell).filter(|known| known.view == state.view);
            if known.is_none() && state.reachable {
                let (path, view) = (beside(&path, cell), Arc::clone(&state.view));
                let written = tokio::task::spawn_blocking(move || write(&path, &view)).await;
                if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    tracing::warn!(%error, "what another cell's brokers agreed on could not be written");
                }
            }
            let is_all = known.is_none() || count.is_multiple_of(ALL);
            let view = is_all.then(|| (*state.view).clone());
            let beyond = contract::cluster::Beyond { cell, reachable: state.reachable, view };
            if let Err(error) = bus.tell(None, &beyond) {
                tracing::debug!(%error, "somebody here was not told how another cell does");
            }
        }
        told = now;
    }
}

fn write(path: &Path, view: &View) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(&contract::encode(view))?;
    fs::rename(&fresh, path)
}
