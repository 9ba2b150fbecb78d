use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use bus::{Client, Served, Server};
use machine::Moment;
use store::{Store, StoreError};
use strowger_io::Clock;

use crate::keeper::Keeper;
use crate::recall::Recall;
use crate::{office, routes, token};

/// What the office was dealt to work with.
#[derive(Clone, Debug)]
pub struct Dealt {
    /// Accounts and records.
    pub store: Store,
    /// To ask the other workers.
    pub bus: Client,
    /// What time it is.
    pub clock: Clock,
    /// The data folder: the first token is left there.
    pub data: PathBuf,
    /// Where the supervisor writes how the workers do; none: nobody supervises.
    pub status: Option<PathBuf>,
}

/// Why the office cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The first token can be neither read nor made.
    #[error("the API's token in {path}: {source}")]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a token: {0}")]
    NoRandomness(String),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// HTTP fails.
    #[error("HTTP: {0}")]
    Http(#[from] io::Error),
}

/// The API role at work. Clones are the same.
#[derive(Clone, Debug)]
pub struct Api {
    shared: Shared,
}

/// What all requests share.
pub(crate) type Shared = Arc<Inner>;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) bus: Client,
    pub(crate) clock: Clock,
    pub(crate) status: Option<PathBuf>,
    pub(crate) keeper: Keeper,
    pub(crate) recall: Recall,
    pub(crate) served: std::sync::OnceLock<Served>,
}

impl Inner {
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }
}

impl Api {
    /// Makes the first token if there is none. Must be called within a tokio runtime.
    pub async fn open(dealt: Dealt) -> Result<Self, ApiError> {
        let Dealt { store, bus, clock, data, status } = dealt;
        token::prepare(&data, &store, clock.now()).await?;
        let keeper = Keeper::start(store.clone());
        let (recall, served) = (Recall::default(), std::sync::OnceLock::new());
        Ok(Api { shared: Arc::new(Inner { store, bus, clock, status, keeper, recall, served }) })
    }

    /// Answers what exchanges ask about accounts, and keeps their records.
    #[must_use]
    pub fn answer(&self, server: Server) -> Server {
        // Counted from here on, whoever else answers on the same server.
        let _counted_already = self.shared.served.set(server.served());
        office::answer(&self.shared, server)
    }

    /// Answers HTTP requests on `listener` until `stop` is done, and then those that have begun.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ApiError> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tracing::info!(address = %listener.local_addr()?, "the API answers");
        axum::serve(listener, routes::router(self.shared)).with_graceful_shutdown(stop).await?;
        Ok(())
    }
}
