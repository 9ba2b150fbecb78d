//! A shard is handed on while calls go on in it: whoever shall own it knows all of it already; we decide nothing about
//! it any more, wait until the last change has arrived there, and let the brokers say whose it is.

use std::sync::Arc;
use std::time::Duration;

use contract::NodeId;
use contract::cluster::View;
use machine::{Epoch, Moment, SHARDS, Shard};
use peering::Peer;
use worker::In;

use super::loops::Thread;
use super::shards;

/// So many shards go at once: messages for them wait meanwhile.
const AT_ONCE: usize = 512;

/// If the brokers have not agreed by then (there may be too few of them), the shards stay: calls don't wait for brokers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nothing is handed on for so long after that.
const REST: Duration = Duration::from_secs(30);

/// Shards on their way to another owner.
#[derive(Debug)]
pub(crate) struct Handing {
    to: NodeId,
    shards: Vec<(Shard, Epoch)>,
    waits: Vec<(Peer, u64)>,
    since: Moment,
    is_asked: bool,
}

impl Handing {
    /// Which, and under which epochs.
    pub(super) fn shards(&self) -> Vec<(Shard, Epoch)> {
        self.shards.clone()
    }
}

impl Thread {
    /// Hands on what others should own and know all of.
    pub(super) fn hand_on(&mut self, now: Moment) {
        let Some(neighbours) = &self.voice.neighbours else { return };
        if let Some(handing) = &mut self.handing {
            if now.since(handing.since) > PATIENCE {
                return self.take_back(now);
            }
            if !handing.is_asked && neighbours.is_safe(&handing.waits) {
                handing.is_asked = true;
                self.voice.questions.hand_on(handing.to, handing.shards.clone());
            }
            return;
        }
        let is_to_rest = self.stayed.is_some_and(|stayed| now.since(stayed) < REST);
        let Some((to, some)) = self.due().filter(|_| !is_to_rest) else { return };
        self.let_go(now, to, some);
    }

    fn due(&self) -> Option<(NodeId, Vec<(Shard, Epoch)>)> {
        let neighbours = self.voice.neighbours.as_ref()?;
        let (view, owned) = (neighbours.view(), self.turn.machine.owned());
        let all = (0..SHARDS).map(|number| Shard::of(number.into())).filter(|&shard| owned.owns(shard));
        let mut due = all.filter_map(|shard| {
            let owner = view.owner(shard);
            let to = owner.wanted.filter(|&to| neighbours.knows_all(to, shard))?;
            Some((to, (shard, owner.epoch)))
        });
        let (to, first) = due.next()?;
        let rest = due.filter(|(other, _)| *other == to).map(|(_, shard)| shard);
        Some((to, std::iter::once(first).chain(rest).take(AT_ONCE).collect()))
    }

    /// From here on nothing is decided about these shards here. They are forgotten once they are another's; until then
    /// we know all of them, in case the brokers leave them with us.
    fn let_go(&mut self, now: Moment, to: NodeId, some: Vec<(Shard, Epoch)>) {
        let Some(neighbours) = &mut self.voice.neighbours else { return };
        let view = Arc::clone(neighbours.view());
        let waits = neighbours.last_told(&some);
        let owned = shards::owned(&view, self.number, self.threads, &some);
        let back = neighbours.go_by(Arc::clone(&view), owned.clone());
        neighbours.keep_own(&mut self.turn.journal, &some);
        back.into_iter().for_each(|it| self.voice.send_inward(now, it.shard, it.bytes));
        self.voice.own_on_bus(&owned, &view);
        self.handing = Some(Handing { to, shards: some, waits, since: now, is_asked: false });
        let mut direct = vec![In::Owned(owned)];
        self.turn.run(now, &[(&[] as &[u8], &[] as &[u8]); 0][..], &mut direct, &mut self.voice);
        self.say_when_safe(now);
    }

    /// We go on with what was to be handed on.
    fn take_back(&mut self, now: Moment) {
        (self.handing, self.stayed) = (None, Some(now));
        self.voice.questions.forget_hand_on();
        let view = self.voice.neighbours.as_ref().map(|it| View::clone(it.view()));
        if let Some(view) = view {
            tracing::warn!(thread = self.number, "the brokers did not agree in time: shards stay here");
            self.own_by(now, view);
        }
    }

    /// The brokers have said something new: what was to be handed on is another's by now, or stays ours.
    pub(super) fn settle_handing(&mut self, view: &View) {
        let agreed = self.voice.questions.take_handed_on();
        let Some(handing) = &mut self.handing else { return };
        let me = self.voice.neighbours.as_ref().map(|it| it.me().node);
        handing.shards.retain(|&(shard, epoch)| {
            let owner = view.owner(shard);
            owner.node == me && owner.epoch == epoch
        });
        // Those that are still ours after the brokers' word came too late, or the node is gone: we go on with them.
        let is_decided = agreed.is_some_and(|agreed| view.version >= agreed.version);
        if handing.shards.is_empty() || is_decided || view.node(handing.to).is_none() {
            self.handing = None;
        }
    }
}
