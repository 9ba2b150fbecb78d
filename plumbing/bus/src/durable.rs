//! What outlives the processes that say and hear it: durable streams and keys, wherever they are kept.
//!
//! None of it is asked while a call is set up or goes on: whoever appends may wait, up to a deadline, and a
//! consumer that was away goes on where it stopped.

use std::time::Duration;

use contract::{Body, DecodeError, Event, Stream, TenantId};
use serde::{Deserialize, Serialize};

/// What goes into a stream.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Whose.
    pub tenant: TenantId,
    /// About what: one word.
    pub topic: String,
    /// The same for each repeat: what comes twice within [`TWICE`] is kept once.
    pub id: String,
    /// The event.
    #[serde(with = "serde_bytes")]
    pub body: Body,
}

/// For so long at least, a repeat is known to be one.
pub const TWICE: Duration = Duration::from_secs(120);

impl Entry {
    /// `event` as it is kept.
    pub fn of<E: Event>(event: &E) -> Self {
        let (tenant, id) = (event.tenant(), event.id());
        Entry { tenant, topic: E::TOPIC.to_owned(), id, body: contract::encode(event) }
    }

    /// The event, if it is of this topic.
    pub fn read<E: Event>(&self) -> Option<Result<E, DecodeError>> {
        (self.topic == E::TOPIC).then(|| contract::decode(&self.body))
    }
}

/// An entry of a stream that came to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the stream: rises, not always by one.
    pub sequence: u64,
    /// It is known to have come before: whoever had it did not say that he is done with it.
    pub again: bool,
    /// What was appended.
    pub entry: Entry,
}

/// Why something was not kept, or not found.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// What keeps it did not answer in time, or is not there. Whether it was kept is not known: say it again.
    #[error("{what} was not confirmed within {} ms", within.as_millis())]
    Late {
        /// What was tried.
        what: String,
        /// How long it was waited.
        within: Duration,
    },
    /// Somebody else changed the key meanwhile.
    #[error("{key} is not what it was: it has another revision")]
    Conflict {
        /// Which key.
        key: String,
    },
    /// A word that is used as part of a subject must be made of letters, digits, `-`, `_` and `/`.
    #[error("{0:?} cannot be a name on the bus")]
    Name(String),
    /// What keeps it said no.
    #[error("{what}: {source}")]
    Refused {
        /// What was tried.
        what: String,
        /// What was said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl DurableError {
    /// What was tried was refused with `source`.
    pub fn refused(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        DurableError::Refused { what: what.into(), source: source.into() }
    }
}

/// Whether `name` may be a key, a bucket, a consumer, a topic: a part of a subject and of a file's name.
pub fn check_name(name: &str) -> Result<(), DurableError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
    let is_name = !name.is_empty() && name.len() <= 128 && name.bytes().all(fits);
    if is_name { Ok(()) } else { Err(DurableError::Name(name.to_owned())) }
}

/// Durable streams.
pub trait Streams: Send + Sync + 'static {
    /// What hears them.
    type Consumer: Consumer;

    /// Keeps `entry`, and returns once it is kept.
    fn append(&self, stream: Stream, entry: Entry) -> impl Future<Output = Result<(), DurableError>> + Send;

    /// The consumer `name`, which goes on where it stopped, in whichever process that was; a new one begins at
    /// the oldest entry. Those who share a name share the entries: each goes to one of them.
    fn consumer(
        &self,
        stream: Stream,
        name: &str,
    ) -> impl Future<Output = Result<Self::Consumer, DurableError>> + Send;
}

/// Hears a stream from where it stopped.
pub trait Consumer: Send {
    /// The next entry, however long that takes; a lost connection is no error, only a long wait. Up to
    /// [`UNACKED`] can be had before the first is acknowledged, and what is not acknowledged within [`AGAIN`]
    /// comes again.
    fn next(&mut self) -> impl Future<Output = Delivery> + Send;

    /// Done with it: it need not come again. (It does if this could not be told.)
    fn ack(&mut self, delivery: &Delivery) -> impl Future<Output = Result<(), DurableError>> + Send;
}

/// Brings all that `from` hears into `stream` of `to`, in order, for as long as it is polled. What was brought and not
/// acknowledged (the process died between) is brought again, under the same identity.
pub async fn bring(from: &mut impl Consumer, to: &impl Streams, stream: Stream) {
    loop {
        let delivery = from.next().await;
        let id = &delivery.entry.id;
        while let Err(error) = to.append(stream, delivery.entry.clone()).await {
            if !matches!(error, DurableError::Late { .. }) {
                tracing::error!(%error, stream = stream.name(), id, "an entry is refused and passed over");
                break;
            }
            tracing::warn!(%error, stream = stream.name(), id, "an entry waits for the stream that it goes to");
            tokio::time::sleep(PAUSE).await;
        }
        if let Err(error) = from.ack(&delivery).await {
            tracing::warn!(%error, stream = stream.name(), "an entry will be brought again");
        }
    }
}

/// Between attempts to bring an entry on.
const PAUSE: Duration = Duration::from_millis(500);

/// So many entries may be in the hands of a consumer.
pub const UNACKED: usize = 256;
/// After so long, an entry that was not acknowledged is delivered again.
pub const AGAIN: Duration = Duration::from_secs(10);

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Rises with each change of the bucket.
    pub revision: u64,
    /// What was put.
    pub body: Body,
}

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: String,
    /// Rises with each change of the bucket.
    pub revision: u64,
    /// What it is now; none: it was deleted.
    pub body: Option<Body>,
}

/// A bucket of keys and values that all hosts see: what changes rarely and may be seen late (who is where, what
/// is wanted).
///
/// An update by revision is refused if the key was changed meanwhile. **That is no lock**: while its servers
/// change their leader, two writers may both be told that they won. Who owns what is agreed elsewhere.
pub trait Keys: Send + Sync + 'static {
    /// What hears changes.
    type Watch: Watch;

    /// What `key` is.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Value>, DurableError>> + Send;

    /// Sets `key`, whatever it was; its revision.
    fn put(&self, key: &str, body: Body) -> impl Future<Output = Result<u64, DurableError>> + Send;

    /// Sets `key` if there is no such key; its revision.
    fn create(&self, key: &str, body: Body) -> impl Future<Output = Result<u64, DurableError>> + Send;

    /// Sets `key` if its revision is still this one; its new revision.
    fn update(
        &self,
        key: &str,
        body: Body,
        revision: u64,
    ) -> impl Future<Output = Result<u64, DurableError>> + Send;

    /// Forgets `key`; there need not be one.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), DurableError>> + Send;

    /// All keys as they are now, then each change. What is overwritten quickly may be skipped.
    fn watch(&self) -> impl Future<Output = Result<Self::Watch, DurableError>> + Send;
}

/// Hears the changes of a bucket.
pub trait Watch: Send {
    /// The next change, however long that takes.
    fn next(&mut self) -> impl Future<Output = Change> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_of_a_subject_and_of_a_path() {
        for good in ["media", "node/3", "a-b_c"] {
            check_name(good).unwrap();
        }
        for bad in ["", "a.b", "*", ">", "a b", "ü", &"x".repeat(129)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
