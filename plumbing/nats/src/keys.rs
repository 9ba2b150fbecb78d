use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::{
    self, CreateError, CreateErrorKind, Operation, Store, UpdateError, UpdateErrorKind,
};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use bus::durable::{Change, DurableError, Keys, Value, Watch, check_name};
use bytes::Bytes;
use contract::Body;
use futures_util::StreamExt;
use tokio::sync::OnceCell;

use crate::Nats;
use crate::streams::{PAUSE, WITHIN};

/// A watch that hears nothing for so long looks whether there is something.
const LOOK: Duration = Duration::from_secs(2);

/// A bucket of keys kept by JetStream. It is made when it is first used.
#[derive(Debug)]
pub struct NatsKeys {
    nats: Nats,
    context: Context,
    bucket: String,
    store: OnceCell<Store>,
}

impl Nats {
    /// The bucket `name`.
    pub fn keys(&self, name: &str) -> Result<NatsKeys, DurableError> {
        check_name(name)?;
        let bucket = self.shared.names.kept(&name.replace('/', "_"));
        Ok(NatsKeys { nats: self.clone(), context: self.jetstream(), bucket, store: OnceCell::new() })
    }
}

impl NatsKeys {
    async fn store(&self) -> Result<&Store, async_nats::Error> {
        self.store.get_or_try_init(|| self.open()).await
    }

    /// By hand, since servers before 2.10 tell of themselves what the library cannot read.
    async fn open(&self) -> Result<Store, async_nats::Error> {
        let config = Config {
            name: format!("KV_{}", self.bucket),
            subjects: vec![format!("$KV.{}.>", self.bucket)],
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: self.nats.shared.options.copies(),
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..Config::default()
        };
        crate::streams::make(&self.context, config).await?;
        Ok(self.context.get_key_value(&self.bucket).await?)
    }

    /// Does `what` with the store, within the time; an error that says so is tried again.
    async fn within<T, F: Future<Output = Result<T, Failed>> + Send>(
        &self,
        key: &str,
        what: impl Fn(Store) -> F + Send + Sync,
    ) -> Result<T, DurableError> {
        check_name(key)?;
        let all = async {
            loop {
                let failed = match self.store().await {
                    Ok(store) => match what(store.clone()).await {
                        Ok(done) => return Ok(done),
                        Err(Failed::ForGood(error)) => return Err(error),
                        Err(Failed::ForNow(error)) => error,
                    },
                    Err(error) => error,
                };
                tracing::debug!(error = %failed, key, "a key is not there yet");
                tokio::time::sleep(PAUSE).await;
            }
        };
        let late = |_| Err(DurableError::Late { what: key.to_owned(), within: WITHIN });
        tokio::time::timeout(WITHIN, all).await.unwrap_or_else(late)
    }
}

enum Failed {
    ForGood(DurableError),
    ForNow(async_nats::Error),
}

fn for_now(error: impl std::error::Error + Send + Sync + 'static) -> Failed {
    Failed::ForNow(error.into())
}

fn conflict(key: &str) -> Failed {
    Failed::ForGood(DurableError::Conflict { key: key.to_owned() })
}

/// Nobody knows whether it was done: trying again would be answered with a conflict with ourselves.
fn unsure(key: &str) -> Failed {
    Failed::ForGood(DurableError::Late { what: key.to_owned(), within: WITHIN })
}

impl Keys for NatsKeys {
    type Watch = NatsWatch;

    async fn get(&self, key: &str) -> Result<Option<Value>, DurableError> {
        let get = |store: Store| async move { store.entry(key).await.map_err(for_now) };
        let entry = self.within(key, get).await?;
        let there = entry.filter(|entry| entry.operation == Operation::Put);
        Ok(there.map(|entry| Value { revision: entry.revision, body: entry.value.to_vec() }))
    }

    async fn put(&self, key: &str, body: Body) -> Result<u64, DurableError> {
        let body = Bytes::from(body);
        let put = |store: Store| {
            let body = body.clone();
            async move { store.put(key, body).await.map_err(for_now) }
        };
        self.within(key, put).await
    }

    async fn create(&self, key: &str, body: Body) -> Result<u64, DurableError> {
        let body = Bytes::from(body);
        let said_no = |error: CreateError| match error.kind() {
            CreateErrorKind::AlreadyExists => conflict(key),
            CreateErrorKind::InvalidKey => Failed::ForGood(DurableError::Name(key.to_owned())),
            CreateErrorKind::Publish | CreateErrorKind::Ack | CreateErrorKind::Other => unsure(key),
        };
        let create = |store: Store| {
            let body = body.clone();
            async move { store.create(key, body).await.map_err(said_no) }
        };
        self.within(key, create).await
    }

    async fn update(&self, key: &str, body: Body, revision: u64) -> Result<u64, DurableError> {
        let body = Bytes::from(body);
        let said_no = |error: UpdateError| match error.kind() {
            UpdateErrorKind::WrongLastRevision => conflict(key),
            UpdateErrorKind::InvalidKey => Failed::ForGood(DurableError::Name(key.to_owned())),
            UpdateErrorKind::TimedOut | UpdateErrorKind::Other => unsure(key),
        };
        let update = |store: Store| {
            let body = body.clone();
            async move { store.update(key, body, revision).await.map_err(said_no) }
        };
        self.within(key, update).await
    }

    async fn delete(&self, key: &str) -> Result<(), DurableError> {
        let delete = |store: Store| async move { store.delete(key).await.map_err(for_now) };
        self.within(key, delete).await
    }

    async fn watch(&self) -> Result<NatsWatch, DurableError> {
        let store = self.within("watch", |store| std::future::ready(Ok(store))).await?;
        Ok(NatsWatch { nats: self.nats.clone(), store, watch: None, broken: 0, seen: 0 })
    }
}

/// Hears the changes of a bucket; listens anew whenever it must.
pub struct NatsWatch {
    nats: Nats,
    store: Store,
    watch: Option<kv::Watch>,
    /// How many connections had broken when the watch began.
    broken: u64,
    /// The newest revision that was told.
    seen: u64,
}

impl std::fmt::Debug for NatsWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsWatch").field("bucket", &self.store.name).finish_non_exhaustive()
    }
}

impl Watch for NatsWatch {
    async fn next(&mut self) -> Change {
        loop {
            let Some(watch) = &mut self.watch else {
                self.broken = self.nats.traffic().broken;
                match self.store.watch_with_history(">").await {
                    Ok(watch) => self.watch = Some(watch),
                    Err(error) => {
                        tracing::debug!(%error, "a bucket is not watched yet");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                continue;
            };
            match tokio::time::timeout(LOOK, watch.next()).await {
                Ok(Some(Ok(entry))) if entry.revision > self.seen => {
                    self.seen = entry.revision;
                    let body = (entry.operation == Operation::Put).then(|| entry.value.to_vec());
                    return Change { key: entry.key, revision: entry.revision, body };
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => self.watch = None,
                // A server does not remember who listened before a break.
                Err(_) if self.nats.traffic().broken != self.broken => self.watch = None,
                Err(_) => {}
            }
        }
    }
}
