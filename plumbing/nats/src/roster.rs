//! Who is on the bus: everyone who hears says so each second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{Client, Subject};
use bytes::Bytes;
use contract::{NodeId, Role};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::names::Names;

/// How often one says that he is here.
const EACH: Duration = Duration::from_secs(1);
/// Who was not heard for so long is gone.
const GONE: Duration = Duration::from_millis(3_200);

/// One who hears on the bus: a process, or a thread of it that answers for shards of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its name, for people: letters, digits, `-` and `_`.
    pub name: String,
    /// The node that it belongs to, with others of other roles.
    pub node: NodeId,
    /// The roles that it answers for.
    pub roles: Vec<Role>,
}

/// Who, on the wire. Roles by name, so that those of a later release do no harm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Here {
    name: String,
    node: NodeId,
    roles: Vec<String>,
    is_leaving: bool,
}

/// Those who were heard lately.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    heard: Mutex<BTreeMap<String, (Who, Instant)>>,
    /// Since when it has a connection to hear them on.
    since: OnceLock<Instant>,
}

impl Roster {
    /// Listens from now on, and asks everyone to say that he is here.
    pub(crate) fn start(runtime: &Handle, client: &Client, names: &Names) -> Arc<Self> {
        let roster = Arc::new(Roster::default());
        runtime.spawn(listen(roster.clone(), client.clone(), names.here(), names.who()));
        roster
    }

    fn heard(&self, here: Here) {
        let mut known = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if here.is_leaving {
            known.remove(&here.name);
        } else {
            let roles = here.roles.iter().filter_map(|name| Role::of(name)).collect();
            let who = Who { name: here.name.clone(), node: here.node, roles };
            known.insert(here.name, (who, Instant::now()));
        }
    }

    /// Whether all who are here had time to say so.
    pub(crate) fn is_settled(&self) -> bool {
        self.since.get().is_some_and(|since| since.elapsed() > EACH)
    }

    /// All who answer for `role`, by name.
    pub(crate) fn of(&self, role: Role) -> Vec<Who> {
        let mut known = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, heard)| heard.elapsed() < GONE);
        known.values().map(|(who, _)| who).filter(|who| who.roles.contains(&role)).cloned().collect()
    }
}

async fn listen(roster: Arc<Roster>, client: Client, here: Subject, who: Subject) {
    let Ok(mut announcements) = client.subscribe(here).await else { return };
    let _ = client.publish(who, Bytes::new()).await;
    if client.flush().await.is_ok() {
        let _ = roster.since.set(Instant::now());
    }
    while let Some(message) = announcements.next().await {
        match contract::decode::<Here>(&message.payload) {
            Ok(here) => roster.heard(here),
            Err(error) => tracing::debug!(%error, "an announcement cannot be read"),
        }
    }
}

fn announcement(who: &Who, is_leaving: bool) -> Bytes {
    let roles = who.roles.iter().map(|role| role.name().to_owned()).collect();
    contract::encode(&Here { name: who.name.clone(), node: who.node, roles, is_leaving }).into()
}

/// Says that `who` is here, each second and whenever somebody asks, until dropped.
pub(crate) async fn announce(who: Who, client: Client, names: Names) {
    let Ok(mut asked) = client.subscribe(names.who()).await else { return };
    let mut pulse = tokio::time::interval(EACH);
    pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pulse.tick() => {}
            question = asked.next() => if question.is_none() { return },
        }
        if client.publish(names.here(), announcement(&who, false)).await.is_err() {
            return;
        }
    }
}

/// What `who` says when it goes.
pub(crate) fn farewell(who: &Who) -> Bytes {
    announcement(who, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_that_he_goes_is_gone() {
        let roster = Roster::default();
        let who = Who { name: "a".into(), node: NodeId(3), roles: vec![Role::Exchange, Role::Edge] };
        roster.heard(contract::decode(&announcement(&who, false)).unwrap());
        assert_eq!(roster.of(Role::Edge), std::slice::from_ref(&who));
        assert_eq!(roster.of(Role::Media), []);
        roster.heard(contract::decode(&farewell(&who)).unwrap());
        assert_eq!(roster.of(Role::Edge), []);
    }
}
