//! The office worker: the API, billing, and the store they share.

use std::io;

use api_service::{Api, ApiError, Dealt};
use billing_service::Billing;
use bus::{Client, Server, Topology};
use host::worker::Worker;
use store::{Store, StoreError};

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
    #[error("the supervisor dealt no {0}")]
    Undealt(&'static str),
}

/// Runs until the supervisor says to stop.
pub(crate) fn run(config: &Config, mut worker: Worker) -> Result<(), OfficeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let hearing = worker.dealt.take(label::BUS).ok_or(OfficeError::Undealt(label::BUS))?;
    let listener = worker.dealt.take(label::API).ok_or(OfficeError::Undealt(label::API))?;
    let (api, server) = runtime.block_on(open(config, &worker))?;
    let beat = worker.progress.watch();
    runtime.spawn(async move {
        let mut pulse = tokio::time::interval(host::worker::BEAT / 2);
        loop {
            pulse.tick().await;
            beat.tick();
        }
    });
    let on_bus = runtime.spawn(server.serve(hearing.into()));
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
    on_bus.abort();
    Ok(())
}

async fn open(config: &Config, worker: &Worker) -> Result<(Api, Server), OfficeError> {
    let places = Places::open(config)?;
    let store = Store::open(&places.data.join("strowger.db")).await?;
    let mut billing = billing_service::Config::default();
    billing.rate.currency.clone_from(&config.billing.currency);
    billing.rate.micros_per_minute = config.billing.micros_per_minute;
    billing.rate.step_seconds = config.billing.step_seconds;
    let billing = Billing::start(billing, store.clone(), worker.clock()).await?;
    let topology = Topology::new(&places.runtime, config.signalling.threads);
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
