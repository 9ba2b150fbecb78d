use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use bus::{Client, KeptStreams, Served, Server, Whichever};
use machine::Moment;
use store::{Store, StoreError};
use strowger_io::Clock;

use crate::cells::{self, Beyond, Seat};
use crate::keeper::Keeper;
use crate::outlet::Outlet;
use crate::recall::Recall;
use crate::{office, routes, token};

/// What the office was dealt to work with.
#[derive(Clone, Debug)]
pub struct Dealt {
    /// Accounts and records.
    pub store: Store,
    /// To ask each worker of this host.
    pub host: Client,
    /// To ask all, on whichever host they are.
    pub bus: Client<Whichever>,
    /// What time it is.
    pub clock: Clock,
    /// The data folder: the first token is left there.
    pub data: PathBuf,
    /// Where the supervisor writes how the workers do; none: nobody supervises.
    pub status: Option<PathBuf>,
    /// Where records and what happens in calls are put for others to hear; none: nobody wants to.
    pub streams: Option<KeptStreams>,
    /// What else in this process has figures to show.
    pub figures: Figures,
    /// The platform's currency (ISO 4217).
    pub currency: String,
    /// Which cell of several this is; none: there are no cells.
    pub cell: Option<Seat>,
}

/// Figures by their names, whenever somebody wants to see them.
#[derive(Clone)]
pub struct Figures(Arc<dyn Fn() -> Vec<(String, f64)> + Send + Sync>);

impl Figures {
    /// What `look` sees.
    pub fn new(look: impl Fn() -> Vec<(String, f64)> + Send + Sync + 'static) -> Self {
        Figures(Arc::new(look))
    }

    pub(crate) fn look(&self) -> Vec<(String, f64)> {
        (self.0)()
    }
}

impl Default for Figures {
    /// None.
    fn default() -> Self {
        Figures::new(Vec::new)
    }
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Figures").finish_non_exhaustive()
    }
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
    pub(crate) host: Client,
    pub(crate) bus: Client<Whichever>,
    pub(crate) clock: Clock,
    pub(crate) status: Option<PathBuf>,
    pub(crate) figures: Figures,
    pub(crate) currency: String,
    pub(crate) beyond: Option<Beyond>,
    pub(crate) outlet: Outlet,
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
        let Dealt { store, host, bus, clock, data, status, streams, figures, currency, cell } = dealt;
        if let Some(seat) = &cell {
            store.become_cell(seat.cell);
        }
        let beyond = cell.map(Beyond::new);
        token::prepare(&data, &store, clock.now()).await?;
        let outlet = Outlet::start(streams);
        let keeper = Keeper::start(store.clone(), outlet.clone());
        let (recall, served) = (Recall::default(), std::sync::OnceLock::new());
        let inner = Inner {
            store,
            host,
            bus,
            clock,
            status,
            figures,
            currency,
            beyond,
            outlet,
            keeper,
            recall,
            served,
        };
        let shared = Arc::new(inner);
        if shared.beyond.is_some() {
            tokio::spawn(cells::work(shared.clone()));
        }
        Ok(Api { shared })
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
