use std::collections::VecDeque;

use machine::terse::is_default;
use machine::{Kind, Mint, Moment, Shard, Token};
use serde::{Deserialize, Serialize};
use sip::Message;
use sip::leg::{Env, LegOut};

use crate::state::Happening;
use crate::{CallOut, LegNo, Question, Sent, Settings, World};

/// What goes through all of a decision.
pub(crate) struct Context<'a> {
    world: &'a World<'a>,
    pub(crate) now: Moment,
    out: &'a mut CallOut,
    /// What has happened and is not decided upon yet.
    pub(crate) news: VecDeque<Happening>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(world: &'a World<'a>, now: Moment, out: &'a mut CallOut) -> Self {
        Context { world, now, out, news: VecDeque::new() }
    }

    pub(crate) fn settings(&self) -> &'a Settings {
        self.world.settings
    }

    pub(crate) fn mint(&self) -> &'a Mint {
        self.world.mint
    }

    pub(crate) fn ask(&mut self, question: Question) {
        self.out.ask.push(question);
    }

    pub(crate) fn send(&mut self, leg: LegNo, bytes: Vec<u8>) {
        self.out.send.push(Sent { leg, bytes });
    }

    /// What a leg wants sent goes out; what it tells is to be decided upon.
    pub(crate) fn take(&mut self, leg: LegNo, from: LegOut) {
        self.out.send.extend(from.send.into_iter().map(|bytes| Sent { leg, bytes }));
        self.news.extend(from.events.into_iter().map(|event| match leg {
            LegNo::CALLER => Happening::Caller(event),
            leg => Happening::Callee(leg, event),
        }));
    }
}

/// Names what a call shows to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Namer {
    #[serde(skip_serializing_if = "is_default")]
    shard: Shard,
    #[serde(skip_serializing_if = "is_default")]
    call: u64,
    /// Counts the branches.
    #[serde(skip_serializing_if = "is_default")]
    branches: u16,
}

impl Namer {
    pub(crate) fn new(shard: Shard, call: u64) -> Self {
        Namer { shard, call, branches: 0 }
    }

    /// Whether this INVITE is one of ours that comes back: a loop, since whoever sends a call on to us
    /// makes it his own.
    pub(crate) fn has_named(invite: &Message<&[u8]>, mint: &Mint) -> bool {
        invite.call_id().is_ok_and(|id| mint.read(Kind::CallId, id).is_some())
    }

    /// A name of `kind` for a leg.
    pub(crate) fn name(&self, kind: Kind, leg: LegNo, mint: &Mint) -> String {
        self.write(kind, leg.0, mint)
    }

    fn branch(&mut self, mint: &Mint) -> String {
        self.branches = self.branches.wrapping_add(1);
        self.write(Kind::Branch, self.branches, mint)
    }

    fn write(&self, kind: Kind, part: u16, mint: &Mint) -> String {
        mint.write(Token { kind, shard: self.shard, call: self.call, part })
    }

    /// Lends a leg what it needs to decide.
    pub(crate) fn lend<R>(&mut self, world: (&Mint, &Settings), to: impl FnOnce(&mut Env<'_>) -> R) -> R {
        let (mint, settings) = world;
        let mut branch = || self.branch(mint);
        to(&mut Env { timing: &settings.leg, branch: &mut branch, user_agent: &settings.user_agent })
    }
}
