use std::time::Duration;

use contract::Conversation;
use machine::Moment;
use serde::{Deserialize, Serialize};

/// What a question is about. At most one of each is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Topic {
    Route,
    Anchor,
    Release,
    Reserve,
    Settle,
    App,
    Keep,
    Leave,
}

impl Topic {
    /// How long to wait before it is asked again for the first time.
    const fn within(self) -> Duration {
        match self {
            // The owner asks others in turn: for the account, then for the bindings.
            Topic::Route => Duration::from_secs(1),
            Topic::Anchor => contract::media::Anchor::WITHIN,
            Topic::Release | Topic::Leave => contract::media::Release::WITHIN,
            Topic::Reserve => contract::billing::Reserve::WITHIN,
            Topic::Settle => contract::billing::Settle::WITHIN,
            Topic::App => contract::app::Happened::WITHIN,
            Topic::Keep => contract::record::Keep::WITHIN,
        }
    }
}

/// An open question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) topic: Topic,
    serial: u32,
    /// How often it was asked.
    pub(crate) tries: u8,
    /// When it is asked again.
    again: Moment,
}

/// The open questions of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Asking {
    open: Vec<Asked>,
}

impl Asking {
    /// Opens a question, in place of an earlier one about the same.
    pub(crate) fn open(&mut self, topic: Topic, serial: u32, now: Moment) {
        self.close(topic);
        self.open.push(Asked { topic, serial, tries: 1, again: now.after(topic.within()) });
    }

    /// Opens a question that is asked as soon as the call goes on (see [`Asking::asked_now`]).
    pub(crate) fn owe(&mut self, topic: Topic, serial: u32) {
        self.close(topic);
        self.open.push(Asked { topic, serial, tries: 1, again: Moment::START });
    }

    /// All that is open was asked just now: nothing is overdue.
    pub(crate) fn asked_now(&mut self, now: Moment) {
        for asked in self.open.iter_mut().filter(|asked| asked.again <= now) {
            asked.again = now.after(asked.topic.within());
        }
    }

    /// Whether an answer to `serial` is one to an open question, which is closed thereby.
    pub(crate) fn answered(&mut self, topic: Topic, serial: u32) -> bool {
        let before = self.open.len();
        self.open.retain(|asked| asked.topic != topic || asked.serial != serial);
        self.open.len() != before
    }

    /// Nobody wants to know any more.
    pub(crate) fn close(&mut self, topic: Topic) {
        self.open.retain(|asked| asked.topic != topic);
    }

    /// Nobody wants to know anything any more.
    pub(crate) fn close_all(&mut self) {
        self.open.clear();
    }

    pub(crate) fn is_open(&self, topic: Topic) -> bool {
        self.open.iter().any(|asked| asked.topic == topic)
    }

    /// The next question that waited too long; it counts as asked again.
    pub(crate) fn overdue(&mut self, now: Moment) -> Option<Asked> {
        let asked = self.open.iter_mut().find(|asked| asked.again <= now)?;
        asked.tries = asked.tries.saturating_add(1);
        let pause = asked.topic.within() * (1 << (asked.tries - 1).min(4));
        asked.again = now.after(pause);
        Some(*asked)
    }

    /// What is open.
    pub(crate) fn topics(&self) -> impl Iterator<Item = Topic> {
        self.open.iter().map(|asked| asked.topic)
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.open.iter().map(|asked| asked.again).min()
    }
}
