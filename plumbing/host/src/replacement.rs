//! A worker is replaced on purpose: its successor is started first, and waits until it has ended in good order.
//!
//! The successor's program runs, has read its configuration and holds all descriptors before anything is asked of
//! the one that works. If it does not come so far, nothing has happened. If it comes so far and then does not get
//! ready in a few lives, the program from before is back.

use std::time::{Duration, Instant};

use strowger_io::SeqSocket;

use crate::child::{Child, STANDBY, Terms};
use crate::control::Answer;
use crate::life::{Life, Waiting};
use crate::protocol::Notice;
use crate::status::State;
use crate::supervisor::Patience;

/// So long may the program of a successor take until it waits to be told to begin.
const TO_JOIN: Duration = Duration::from_secs(10);
/// So long may the one that works take to end.
const TO_LEAVE: Duration = Duration::from_secs(3);
/// So many lives may end before one is ready.
const TRIES: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The successor does not wait yet.
    Warming,
    /// The one that worked was told to end.
    Leaving(Instant),
    /// The successor was told to begin.
    Following,
}

pub(crate) struct Replacement {
    /// The successor, as long as it waits.
    pub(crate) life: Option<Life>,
    asker: SeqSocket,
    stage: Stage,
    joined: bool,
    tries: u32,
    failure: Option<String>,
}

impl Child {
    /// Begins to replace the life that works; `asker` is told how it went.
    pub(crate) fn replace(&mut self, asker: SeqSocket, terms: &Terms) {
        if self.stopping || !self.is_settled() {
            return Answer::Failed(format!("{} is not ready to be replaced", self.name)).give(&asker);
        }
        let mut replacement =
            Replacement { life: None, asker, stage: Stage::Warming, joined: false, tries: 0, failure: None };
        if self.name == STANDBY {
            // There is one at a time, for there is to be one successor.
            replacement.stage = Stage::Leaving(Instant::now());
            self.replacement = Some(replacement);
            return self.kill("to be replaced".to_owned());
        }
        match self.begin(terms, false) {
            Ok(life) => {
                tracing::info!(worker = self.name, pid = life.pid(), "its successor is started");
                replacement.life = Some(life);
                self.replacement = Some(replacement);
                self.flush();
            }
            Err(error) => Answer::Failed(error.to_string()).give(&replacement.asker),
        }
    }

    /// As soon as the successor waits, the one that works is told to end; what that one then leaves is dealt to the
    /// successor.
    pub(crate) fn hear_replacement(&mut self, left: Vec<Waiting>) -> bool {
        let Some(replacement) = &mut self.replacement else {
            return false;
        };
        let Some(next) = &mut replacement.life else {
            return false;
        };
        replacement.joined |= next.hear().joined;
        next.say_all(left);
        next.flush(&self.name);
        if replacement.stage != Stage::Warming || !replacement.joined || !next.has_heard() {
            return false;
        }
        replacement.stage = Stage::Leaving(Instant::now());
        self.status.state = State::Stopping;
        if let Some(life) = &mut self.life {
            life.say(Notice::Stop, Vec::new());
            life.flush(&self.name);
        }
        true
    }

    /// Sees whether the successor has ended while it waited: then there is none.
    pub(crate) fn check_replacement(&mut self) -> bool {
        let next = self.replacement.as_ref().and_then(|it| it.life.as_ref());
        let Some(cause) = next.and_then(|life| life.ended(&self.name)) else {
            return false;
        };
        self.give_up_replacement(&cause);
        true
    }

    /// The one that worked has ended: its successor begins, if it waits for that.
    pub(crate) fn take_turns(&mut self, cause: &str, terms: &Terms) -> bool {
        if self.stopping {
            return false;
        }
        let start = self.start_notice(terms);
        let Some(replacement) = &mut self.replacement else {
            return false;
        };
        if replacement.stage == Stage::Following {
            return false;
        }
        let planned = replacement.stage != Stage::Warming;
        replacement.stage = Stage::Following;
        let next = replacement.life.take();
        self.previous = false;
        self.seen_dead.get_or_insert_with(Instant::now);
        if !planned {
            self.status.restarts += 1;
            self.status.last_death = Some((cause.to_owned(), terms.at));
        }
        match next {
            Some(mut life) => {
                life.began = Instant::now();
                life.say(start, Vec::new());
                life.flush(&self.name);
                self.status.pid = Some(life.pid());
                self.status.state = State::Starting;
                self.status.last_start = self.seen_dead.map(|seen| seen.elapsed().as_micros() as u64);
                tracing::info!(worker = self.name, pid = life.pid(), "takes over");
                self.fresh = true;
                self.life = Some(life);
            }
            None => {
                self.status.pid = None;
                self.due = Some(Instant::now());
            }
        }
        true
    }

    /// A life of a replaced worker ended: after a few, the program from before is tried.
    pub(crate) fn fall_back(&mut self, cause: &str) {
        let Some(replacement) = self.replacement.as_mut().filter(|it| it.stage == Stage::Following) else {
            return;
        };
        replacement.tries += 1;
        if replacement.tries == TRIES {
            tracing::error!(worker = self.name, cause, "does not get ready; the program from before is back");
            replacement.failure = Some(format!("{} did not get ready in {TRIES} lives: {cause}", self.name));
            self.previous = true;
        }
    }

    /// It is ready: whoever asked is told.
    pub(crate) fn replaced(&mut self) {
        if self.replacement.as_ref().is_none_or(|it| it.stage != Stage::Following) {
            return;
        }
        if let Some(Replacement { asker, failure, .. }) = self.replacement.take() {
            let done = Answer::Done(self.status.last_gap.unwrap_or(0));
            failure.map_or(done, Answer::Failed).give(&asker);
        }
    }

    /// Kills what takes too long.
    pub(crate) fn watch_replacement(&mut self, patience: &Patience) {
        let Some(replacement) = &mut self.replacement else {
            return;
        };
        let leaves = match replacement.stage {
            Stage::Leaving(since) => since.elapsed() >= TO_LEAVE.min(patience.to_end),
            Stage::Warming | Stage::Following => false,
        };
        if let Some(next) = replacement.life.as_mut().filter(|it| it.killed.is_none())
            && replacement.stage == Stage::Warming
            && next.began.elapsed() >= TO_JOIN
        {
            next.kill(&self.name, format!("did not start within {TO_JOIN:?}"));
        }
        if leaves && self.life.as_ref().is_some_and(|life| life.killed.is_none()) {
            self.kill("took too long to end for its successor".to_owned());
        }
    }

    /// Nothing comes of the replacement.
    pub(crate) fn give_up_replacement(&mut self, why: &str) {
        let Some(Replacement { life, asker, .. }) = self.replacement.take() else {
            return;
        };
        if let Some(mut next) = life {
            next.kill(&self.name, why.to_owned());
        }
        Answer::Failed(format!("{}: {why}", self.name)).give(&asker);
    }
}
