//! The office worker: the API, billing, and the store they share.

use std::io;

use api_service::{Api, ApiError, Dealt, Figures, Seat};
use billing_service::Billing;
use bus::{Client, Server};
use contract::Role;
use host::worker::Worker;
use nats::{Nats, NatsError};
use store::{Address, Store, StoreError};

use crate::across::{Across, AcrossError};
use crate::config::Config;
use crate::places::{PlaceError, Places};
use crate::serve::label;
use crate::streams;

/// Why the office can't work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfficeError {
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    #[error("office: {0}")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Billing(#[from] billing_service::StartError),
    #[error(transparent)]
    Across(#[from] AcrossError),
    #[error("nats: {0}")]
    Nats(#[from] NatsError),
    #[error("the supervisor dealt no {0}")]
    Undealt(&'static str),
}

/// Runs until the supervisor says to stop.
pub(crate) fn run(config: &Config, mut worker: Worker) -> Result<(), OfficeError> {
    // Calls wait for what comes on the bus: it has a thread of its own, and no page of the API holds it up.
    let on_bus = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let hearing = worker.dealt.take(label::BUS).ok_or(OfficeError::Undealt(label::BUS))?;
    let listener = worker.dealt.take(label::API).ok_or(OfficeError::Undealt(label::API))?;
    let places = Places::open(config)?;
    let across = Across::start(config, &places)?;
    let (api, [near, far]) = on_bus.block_on(open(config, &worker, &places, across.as_ref()))?;
    on_bus.spawn(show_life(worker.progress.watch()));
    runtime.spawn(show_life(worker.progress.watch()));
    if let Some(across) = across {
        let who = across.who("office", &[Role::Api, Role::Billing]);
        on_bus.spawn(async move { across.nats().serve(who, far).await });
    }
    std::thread::Builder::new().name("bus".to_owned()).spawn(move || {
        if let Err(error) = on_bus.block_on(near.serve(hearing.into())) {
            tracing::error!(%error, "nothing on the bus is answered any more");
        }
    })?;
    let on_http = runtime.spawn(api.serve(listener.into(), async {
        let _ = stopped.await;
    }));
    worker.ready()?;
    worker.wait_for_stop()?;
    let _ = stop.send(());
    let last_requests = async { tokio::time::timeout(std::time::Duration::from_secs(2), on_http).await };
    if let Ok(Ok(Err(error))) = runtime.block_on(last_requests) {
        tracing::warn!(%error, "the API ended");
    }
    Ok(())
}

async fn show_life(beat: host::Beat) {
    let mut pulse = tokio::time::interval(host::worker::BEAT / 2);
    loop {
        pulse.tick().await;
        beat.tick();
    }
}

/// What answers those of this host, and those of others.
type Servers = [Server; 2];

async fn open(
    config: &Config,
    worker: &Worker,
    places: &Places,
    across: Option<&Across>,
) -> Result<(Api, Servers), OfficeError> {
    let address = Address::read(&config.store, &places.data)?;
    let store = Store::at(&address).await?;
    tracing::info!(%address, "the store is open");
    let billing = Billing::start(billing(config, places), store.clone(), worker.clock()).await?;
    let host = Client::local(crate::serve::topology(config, places));
    let bus = match across {
        Some(across) => across.client(host.clone()).erased(),
        None => host.clone().erased(),
    };
    let nats = match across {
        Some(across) => Some(across.nats().clone()),
        // Alone, with others who want to hear what happens.
        None => config.nats.is_on().then(|| Nats::start(config.nats.options(&config.cluster))).transpose()?,
    };
    let heard = streams::open(config, places, nats.as_ref(), &bus)?;
    let (streams, bridge) = heard.map_or((None, None), |heard| (Some(heard.streams), heard.bridge));
    let figures = Figures::new(move || streams::figures(nats.as_ref(), bridge.as_ref()));
    let dealt = Dealt {
        store,
        host,
        bus,
        clock: worker.clock(),
        data: places.data.clone(),
        status: Some(places.status()),
        streams,
        figures,
        currency: config.billing.currency.clone(),
        cell: cell(config, places)?,
    };
    let api = Api::open(dealt).await?;
    let near = Server::new();
    let servers = [Server::beside(&near), near].map(|server| billing.answer(api.answer(server)));
    let [far, near] = servers;
    Ok((api, [near, far]))
}

/// Which cell of several this is, if there are several.
fn cell(config: &Config, places: &Places) -> Result<Option<Seat>, PlaceError> {
    match config.cell.id() {
        contract::CellId::HOME => Ok(None),
        cell => Ok(Some(Seat { cell, secret: places.secret()? })),
    }
}

/// What the configuration means to billing.
fn billing(config: &Config, places: &Places) -> billing_service::Config {
    let mut billing = billing_service::Config::default();
    billing.rate.currency.clone_from(&config.billing.currency);
    billing.rate.micros_per_minute = config.billing.micros_per_minute;
    billing.rate.step_seconds = config.billing.step_seconds;
    billing.offline = std::time::Duration::from_secs(config.call.offline_seconds);
    billing.journal = places.billing_journal();
    billing
}
