//! The office worker: the API, billing, and the store they share.

use std::io;

use api_service::{Api, ApiError, Dealt};
use billing_service::Billing;
use bus::{Client, Server};
use host::worker::Worker;
use store::{Address, Store, StoreError};

use crate::config::Config;
use crate::places::{PlaceError, Places};
use crate::serve::label;

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
    let (api, server) = on_bus.block_on(open(config, &worker))?;
    on_bus.spawn(show_life(worker.progress.watch()));
    runtime.spawn(show_life(worker.progress.watch()));
    std::thread::Builder::new().name("bus".to_owned()).spawn(move || {
        if let Err(error) = on_bus.block_on(server.serve(hearing.into())) {
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

async fn open(config: &Config, worker: &Worker) -> Result<(Api, Server), OfficeError> {
    let places = Places::open(config)?;
    let address = Address::read(&config.store, &places.data)?;
    let store = Store::at(&address).await?;
    tracing::info!(%address, "the store is open");
    let mut billing = billing_service::Config::default();
    billing.rate.currency.clone_from(&config.billing.currency);
    billing.rate.micros_per_minute = config.billing.micros_per_minute;
    billing.rate.step_seconds = config.billing.step_seconds;
    billing.offline = std::time::Duration::from_secs(config.call.offline_seconds);
    billing.journal = places.billing_journal();
    let billing = Billing::start(billing, store.clone(), worker.clock()).await?;
    let topology = crate::serve::topology(config, &places);
    let dealt = Dealt {
        store,
        bus: Client::local(topology),
        clock: worker.clock(),
        data: places.data.clone(),
        status: Some(places.status()),
    };
    let api = Api::open(dealt).await?;
    let server = billing.answer(api.answer(Server::new()));
    Ok((api, server))
}
