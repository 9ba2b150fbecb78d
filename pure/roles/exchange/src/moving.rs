//! Calls whose media node is gone, or that are wanted on another one: by somebody, or because it is better there.

use std::collections::BTreeMap;

use call::Moving;
use contract::media::{Happening, Noticed, Release};
use contract::moving::{Move, MoveCall, Moved, Reason};
use contract::paths::{Conditions, EVERY, KnownConditions};
use contract::{CallId, Envelope, NodeId};
use machine::{Moment, Outbox, Shard};
use paths::{Candidate, Planned, Policy};

use crate::exchange::{Exchange, Out, Timer};
use crate::settings::Settings;

/// What is known of media nodes, and which calls shall move.
#[derive(Debug)]
pub(crate) struct Movers {
    policy: Policy,
    /// The media nodes that are there, the best for new calls first as far as whoever told us knows.
    there: Vec<NodeId>,
    planned: BTreeMap<CallId, Move>,
    /// [`Timer::Policy`] is set.
    is_watching: bool,
}

impl Movers {
    /// Nothing is known but who is there.
    pub(crate) fn new(settings: &Settings, now: Moment) -> Self {
        let there = settings.call.media.clone();
        let mut policy = Policy::new(settings.moving);
        policy.meet(now, &there);
        Movers { policy, there, planned: BTreeMap::new(), is_watching: false }
    }

    /// Shards come or go.
    pub(crate) fn keep_calm(&mut self, now: Moment) {
        self.policy.keep_calm(now);
    }

    /// Where calls can have their audio, the best place first.
    fn best_first(&self, now: Moment) -> Vec<NodeId> {
        let mut nodes = self.there.clone();
        self.policy.best_first(now, &mut nodes);
        nodes
    }
}

impl Exchange {
    /// Which media nodes are there. Calls whose node is gone move one by one, as [`Exchange::expire`] comes to
    /// them.
    pub(crate) fn learn_media(&mut self, nodes: Vec<NodeId>, now: Moment) {
        for call in self.view.calls.all().filter(|call| call.misses_media(&nodes)) {
            self.timers.set(Timer::Media(call.id()), Some(now));
        }
        self.movers.policy.meet(now, &nodes);
        self.movers.there = nodes;
        self.view.settings.call.media = self.movers.best_first(now);
    }

    /// A node told how it is, and how its paths are.
    pub(crate) fn learn_conditions(&mut self, said: Conditions, now: Moment) {
        self.movers.policy.hear(now, said);
        if !self.movers.is_watching && self.movers.policy.is_awake(now) {
            self.movers.is_watching = true;
            self.timers.set(Timer::Policy, Some(now.after(EVERY)));
        }
    }

    /// What the nodes told.
    pub(crate) fn conditions(&self, now: Moment) -> KnownConditions {
        KnownConditions { nodes: self.movers.policy.known().fresh(now).cloned().collect() }
    }

    /// Once a second: which calls are better off elsewhere? They move one by one until the next second.
    pub(crate) fn plan_moves(&mut self, now: Moment) {
        let Movers { policy, planned, is_watching, .. } = &mut self.movers;
        let calls = self.view.calls.all().filter(|call| call.can_move());
        let candidate =
            |call: &call::Call| Candidate { call: call.id(), at: call.media(), moved: call.moved_at() };
        let plan = policy.plan(now, || calls.map(candidate));
        *is_watching = policy.is_awake(now);
        self.timers.set(Timer::Policy, is_watching.then(|| now.after(EVERY)));
        let pause = EVERY / u32::try_from(plan.len()).unwrap_or(u32::MAX).max(1);
        let mut at = now;
        for Planned { call, how } in plan {
            self.timers.set(Timer::Move(call), Some(at));
            planned.insert(call, how);
            at = at.after(pause);
        }
        self.view.settings.call.media = self.movers.best_first(now);
    }

    /// A call's turn to move has come.
    pub(crate) fn move_as_planned(&mut self, id: CallId, now: Moment, out: &mut Outbox<Out>) {
        let Some(how) = self.movers.planned.remove(&id) else { return };
        if self.view.settings.call.media.contains(&how.to) {
            self.send_elsewhere(id, how, now, out);
        }
    }

    /// A call's media node is gone.
    pub(crate) fn media_is_gone(&mut self, id: CallId, now: Moment, out: &mut Outbox<Out>) {
        let before = self.view.calls.get(id).map(|held| held.call.media());
        self.with_call(id, now, out, |call, world, now, said| call.media_changed(world, now, said));
        let after = self.view.calls.get(id).map(|held| held.call.media());
        if let (Some(from), Some(to)) = (before, after)
            && from != to
        {
            self.tell_of_move(id, from, Move { to, reason: Reason::Lost }, now, out);
        }
    }

    /// Sends a call's audio to another media node.
    fn send_elsewhere(&mut self, id: CallId, how: Move, now: Moment, out: &mut Outbox<Out>) -> Moving {
        let Some(from) = self.view.calls.get(id).map(|held| held.call.media()) else { return Moving::Over };
        let mut came = Moving::Over;
        self.with_call(id, now, out, |call, world, now, said| {
            came = call.move_media(how.to, world, now, said);
        });
        if came == Moving::Begun && from != how.to {
            self.tell_of_move(id, from, how, now, out);
        }
        came
    }

    fn tell_of_move(&mut self, id: CallId, from: NodeId, how: Move, now: Moment, out: &mut Outbox<Out>) {
        *self.counters.moved.entry(how.reason).or_default() += 1;
        out.emit(Out::Moving { call: id, from, how });
        if let Some(held) = self.view.calls.get(id).filter(|_| self.view.settings.events) {
            out.emit(Out::Bus(Envelope::notice(None, &held.call.moves_news(how, now))));
        }
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
        let how = Move { to: asked.to, reason: Reason::Hand };
        match self.send_elsewhere(asked.call, how, now, out) {
            Moving::Begun => Moved::Accepted,
            Moving::Direct => Moved::Direct,
            Moving::Over => Moved::NotFound,
        }
    }
}
