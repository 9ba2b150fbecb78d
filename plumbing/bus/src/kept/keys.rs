use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use contract::Body;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::LOOK;
use super::log::Log;
use crate::durable::{Change, DurableError, Keys, Value, Watch, check_name};

const SEGMENT: u64 = 1 << 20;

/// A bucket of keys in a directory; clones share it.
#[derive(Clone, Debug)]
pub struct KeptKeys {
    folder: PathBuf,
    bucket: Arc<Mutex<Bucket>>,
    changed: Arc<Notify>,
}

/// One change as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    key: String,
    is_deleted: bool,
    #[serde(with = "serde_bytes")]
    body: Body,
}

#[derive(Debug)]
struct Bucket {
    log: Log,
    /// Key, revision, value; also of keys that were deleted, so that revisions only rise.
    known: BTreeMap<String, (u64, Written)>,
}

/// What a key must be for a change to be made.
#[derive(Clone, Copy, Debug)]
enum If {
    Anything,
    Nothing,
    Revision(u64),
}

impl KeptKeys {
    /// The bucket `name` in `folder`.
    pub fn open(folder: impl Into<PathBuf>, name: &str) -> Result<Self, DurableError> {
        check_name(name)?;
        let folder = folder.into().join(format!("keys-{}", name.replace('/', "+")));
        let log = Log::open(&folder, SEGMENT).map_err(|error| DurableError::refused(name, error))?;
        let bucket = Arc::new(Mutex::new(Bucket { log, known: BTreeMap::new() }));
        Ok(KeptKeys { folder, bucket, changed: Arc::new(Notify::new()) })
    }

    async fn change(&self, key: &str, body: Option<Body>, condition: If) -> Result<u64, DurableError> {
        check_name(key)?;
        let written =
            Written { key: key.to_owned(), is_deleted: body.is_none(), body: body.unwrap_or_default() };
        let revision = self.with(key, move |bucket| bucket.change(written, condition)).await?;
        self.changed.notify_waiters();
        revision.ok_or_else(|| DurableError::Conflict { key: key.to_owned() })
    }

    async fn with<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce(&mut Bucket) -> io::Result<T> + Send + 'static,
    ) -> Result<T, DurableError> {
        let bucket = self.bucket.clone();
        let work = move || work(&mut bucket.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(|error| DurableError::refused(what, error)),
            Err(error) => Err(DurableError::refused(what, error)),
        }
    }
}

impl Bucket {
    fn read(&mut self) -> io::Result<()> {
        let known = &mut self.known;
        self.log.read(&mut |revision, body| {
            if let Some(written) = readable(revision, body) {
                known.insert(written.key.clone(), (revision, written));
            }
        })
    }

    /// The new revision, or none if the condition does not hold.
    fn change(&mut self, written: Written, condition: If) -> io::Result<Option<u64>> {
        let held = self.log.hold()?;
        self.read()?;
        let there = self.known.get(&written.key).filter(|(_, old)| !old.is_deleted).map(|(at, _)| *at);
        let holds = match condition {
            If::Anything => true,
            If::Nothing => there.is_none(),
            If::Revision(revision) => there == Some(revision),
        };
        if !holds {
            return Ok(None);
        }
        let revision = self.log.append(&held, &contract::encode(&written))?;
        self.known.insert(written.key.clone(), (revision, written));
        if self.log.segment_length() > SEGMENT {
            let mut live: Vec<_> = self.known.values().map(|(at, it)| (*at, contract::encode(it))).collect();
            live.sort_unstable_by_key(|(at, _)| *at);
            self.log.compact(&held, live.iter().map(|(at, body)| (*at, &body[..])))?;
        }
        Ok(Some(revision))
    }
}

fn readable(revision: u64, body: &[u8]) -> Option<Written> {
    contract::decode(body)
        .inspect_err(|error| tracing::warn!(%error, revision, "a change cannot be read and is passed over"))
        .ok()
}

impl Keys for KeptKeys {
    type Watch = KeptWatch;

    async fn get(&self, key: &str) -> Result<Option<Value>, DurableError> {
        check_name(key)?;
        let name = key.to_owned();
        self.with(key, move |bucket| {
            bucket.read()?;
            let there = bucket.known.get(&name).filter(|(_, it)| !it.is_deleted);
            Ok(there.map(|(revision, it)| Value { revision: *revision, body: it.body.clone() }))
        })
        .await
    }

    async fn put(&self, key: &str, body: Body) -> Result<u64, DurableError> {
        self.change(key, Some(body), If::Anything).await
    }

    async fn create(&self, key: &str, body: Body) -> Result<u64, DurableError> {
        self.change(key, Some(body), If::Nothing).await
    }

    async fn update(&self, key: &str, body: Body, revision: u64) -> Result<u64, DurableError> {
        self.change(key, Some(body), If::Revision(revision)).await
    }

    async fn delete(&self, key: &str) -> Result<(), DurableError> {
        self.change(key, None, If::Anything).await.map(drop)
    }

    async fn watch(&self) -> Result<KeptWatch, DurableError> {
        let log =
            Log::open(&self.folder, SEGMENT).map_err(|error| DurableError::refused("a watch", error))?;
        Ok(KeptWatch { log, changes: VecDeque::new(), changed: self.changed.clone() })
    }
}

/// Hears the changes of a bucket in a directory.
#[derive(Debug)]
pub struct KeptWatch {
    log: Log,
    changes: VecDeque<Change>,
    changed: Arc<Notify>,
}

impl Watch for KeptWatch {
    async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return change;
            }
            let changed = self.changed.clone();
            let other = changed.notified();
            if let Err(error) = self.read() {
                tracing::warn!(%error, "a bucket of keys cannot be read");
            }
            if self.changes.is_empty() {
                // Whichever comes first: this process has changed something, or another may have.
                let _ = tokio::time::timeout(LOOK, other).await;
            }
        }
    }
}

impl KeptWatch {
    fn read(&mut self) -> io::Result<()> {
        let mut newest: BTreeMap<String, (u64, Written)> = BTreeMap::new();
        self.log.read(&mut |revision, body| {
            if let Some(written) = readable(revision, body) {
                newest.insert(written.key.clone(), (revision, written));
            }
        })?;
        let mut changes: Vec<Change> = newest
            .into_values()
            .map(|(revision, it)| Change { key: it.key, revision, body: (!it.is_deleted).then_some(it.body) })
            .collect();
        changes.sort_unstable_by_key(|change| change.revision);
        self.changes.extend(changes);
        Ok(())
    }
}
