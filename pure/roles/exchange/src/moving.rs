//! Calls whose media node is gone, or that are wanted on another one.

use call::Moving;
use contract::media::{Happening, Noticed, Release};
use contract::moving::{MoveCall, Moved};
use contract::{Envelope, NodeId};
use machine::{Moment, Outbox, Shard};

use crate::exchange::{Exchange, Out, Timer};

impl Exchange {
    /// Which media nodes are there. Calls whose node is gone move one by one, as [`Exchange::expire`] comes to
    /// them.
    pub(crate) fn learn_media(&mut self, nodes: Vec<NodeId>, now: Moment) {
        for call in self.view.calls.all().filter(|call| call.misses_media(&nodes)) {
            self.timers.set(Timer::Media(call.id()), Some(now));
        }
        self.view.settings.call.media = nodes;
    }

    /// Media has the audio of a call of ours that nobody knows, and nobody talks there: its host was away when the
    /// call ended, or was moved. Its ports are wanted back.
    pub(crate) fn lay_ghost(&self, noticed: &Noticed, shard: Shard, out: &mut Outbox<Out>) {
        if !matches!(noticed.what, Happening::Inactive | Happening::Idle) {
            return;
        }
        let epoch = self.view.settings.owned.epoch(shard);
        let release = Release { call: noticed.call, epoch, version: 0 };
        let node = (noticed.node != NodeId(0)).then_some(noticed.node);
        // Nobody waits for the answer: media tells its silence again as long as it is not released.
        out.emit(Out::Bus(Envelope { node, ..Envelope::request(0, None, &release) }));
    }

    /// Moves a call's audio.
    pub(crate) fn move_call(&mut self, asked: &MoveCall, now: Moment, out: &mut Outbox<Out>) -> Moved {
        let is_here = self.view.calls.has(asked.call);
        if is_here && !self.view.settings.call.media.contains(&asked.to) {
            return Moved::NoSuchNode;
        }
        let mut came = Moving::Over;
        self.with_call(asked.call, now, out, |call, world, now, said| {
            came = call.move_media(asked.to, world, now, said);
        });
        match came {
            Moving::Begun => Moved::Accepted,
            Moving::Direct => Moved::Direct,
            Moving::Over => Moved::NotFound,
        }
    }
}
