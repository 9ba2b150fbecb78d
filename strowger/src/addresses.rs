//! Addresses that phones speak to and that move from host to host: this one has those that the brokers say it holds.

use std::sync::Arc;
use std::time::Duration;

use contract::NodeId;
use contract::cluster::View;
use tokio::sync::watch;

use crate::config::Floating;

/// Neighbours on the link may miss a word: it is said so often, each a moment after the last.
const ANNOUNCED: usize = 5;
const APART: Duration = Duration::from_millis(150);

/// Takes and gives up `floating` addresses as views come.
pub(crate) async fn follow(floating: Vec<Floating>, me: NodeId, mut views: watch::Receiver<Arc<View>>) {
    let mut holds = vec![None; floating.len()];
    loop {
        let view = views.borrow_and_update().clone();
        for (floating, holds) in floating.iter().zip(&mut holds) {
            let is_ours = view.version > 0 && view.holder(floating.address) == Some(me);
            // A host that has just been started may hold one of before.
            if *holds != Some(is_ours) && view.version > 0 {
                *holds = Some(is_ours);
                tokio::task::spawn_blocking({
                    let floating = floating.clone();
                    move || if is_ours { take(&floating) } else { give_up(&floating) }
                });
            }
        }
        if views.changed().await.is_err() {
            return;
        }
    }
}

fn take(floating: &Floating) {
    let Floating { address, prefix, interface } = floating;
    if let Err(error) = strowger_io::add_address(*address, *prefix, interface) {
        tracing::error!(%address, %error, "an address that this host should hold can't be had");
        return;
    }
    tracing::info!(%address, interface, "this host holds the address");
    for _ in 0..ANNOUNCED {
        if let Err(error) = strowger_io::announce_address(*address, interface) {
            tracing::warn!(%address, %error, "neighbours are not told of an address");
        }
        std::thread::sleep(APART);
    }
}

fn give_up(floating: &Floating) {
    let Floating { address, prefix, interface } = floating;
    if let Err(error) = strowger_io::remove_address(*address, *prefix, interface) {
        tracing::error!(%address, %error, "an address that another host holds can't be given up");
    }
}
