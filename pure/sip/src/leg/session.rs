//! RFC 4028: session timers.

use std::time::Duration;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::LegTiming;
use crate::{Message, Name, Refresher, Status, Writer};

/// The smallest Min-SE there is, and what is meant where none is given.
const SHORTEST: u32 = 90;

/// What a leg knows of its session's timer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    /// The interval that we ask for; 0 if we don't.
    #[serde(skip_serializing_if = "is_default")]
    interval: u32,
    /// The largest Min-SE that anybody has named.
    #[serde(skip_serializing_if = "is_default")]
    min_se: u32,
    #[serde(skip_serializing_if = "is_default")]
    timer: Option<Timer>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Timer {
    #[serde(skip_serializing_if = "is_default")]
    secs: u32,
    /// Whether we refresh.
    #[serde(skip_serializing_if = "is_default")]
    ours: bool,
    /// When to refresh, if we do.
    #[serde(skip_serializing_if = "is_default")]
    refresh: Moment,
    /// When to give up.
    #[serde(skip_serializing_if = "is_default")]
    expires: Moment,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    #[serde(skip_serializing_if = "is_default")]
    secs: Option<u32>,
    /// Whom it wants to refresh: `Some(true)` its sender.
    #[serde(skip_serializing_if = "is_default")]
    sender: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    min_se: u32,
    /// Whether its sender knows session timers.
    #[serde(skip_serializing_if = "is_default")]
    knows: bool,
}

/// What a 2xx grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    secs: u32,
    /// Whether the request's sender refreshes.
    sender: bool,
    require: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Refresh,
    Expired,
}

impl Asked {
    pub(super) fn of(request: &Message<&[u8]>) -> Asked {
        let asked = request.session_expires().ok().flatten();
        Asked {
            secs: asked.map(|asked| asked.secs),
            sender: asked.and_then(|asked| asked.refresher).map(|who| who == Refresher::Uac),
            min_se: request.min_se().ok().flatten().unwrap_or(SHORTEST),
            knows: request.has_token(Name::Supported, "timer") || request.has_token(Name::Require, "timer"),
        }
    }

    /// The Min-SE to refuse it with (422), if it asks for too short an interval.
    pub(super) fn too_short(&self, timing: &LegTiming) -> Option<u32> {
        let least = (timing.min_se.as_secs() as u32).max(SHORTEST);
        (self.knows && self.secs.is_some_and(|secs| secs < least)).then_some(least)
    }
}

impl Grant {
    pub(super) fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        let who = if self.sender { "uac" } else { "uas" };
        let writer = writer.header(Name::SessionExpires, format!("{};refresher={who}", self.secs));
        if self.require { writer.header(Name::Require, "timer") } else { writer }
    }
}

impl Session {
    pub(super) fn new(timing: &LegTiming) -> Session {
        let min_se = (timing.min_se.as_secs() as u32).max(SHORTEST);
        let interval = timing.session_expires.map_or(0, |wish| (wish.as_secs() as u32).max(min_se));
        Session { interval, min_se, timer: None }
    }

    /// What an INVITE or UPDATE of ours asks for.
    pub(super) fn ask<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        let secs = self.timer.map_or(self.interval, |timer| timer.secs.max(self.min_se));
        if secs == 0 {
            return writer;
        }
        let value = match self.timer {
            Some(timer) if timer.ours => format!("{secs};refresher=uac"),
            Some(_) => format!("{secs};refresher=uas"),
            None => secs.to_string(),
        };
        let writer = writer.header(Name::SessionExpires, value);
        if self.min_se > SHORTEST { writer.number(Name::MinSe, u64::from(self.min_se)) } else { writer }
    }

    /// Takes a 422: whether asking again makes sense.
    pub(super) fn was_too_short(&mut self, response: &Message<&[u8]>) -> bool {
        let least = response.min_se().ok().flatten().unwrap_or(0);
        if response.status() != Some(Status::SESSION_INTERVAL_TOO_SMALL) || least <= self.min_se {
            return false;
        }
        self.min_se = least;
        self.interval = self.interval.max(least);
        true
    }

    /// Takes a 2xx to what we asked. Where the peer knows no session timers we refresh nevertheless, to
    /// learn whether it is still there (7.2).
    pub(super) fn granted(&mut self, now: Moment, response: &Message<&[u8]>) {
        let granted = response.session_expires().ok().flatten();
        self.timer = match granted {
            Some(granted) => {
                Some(Timer::new(now, granted.secs.max(SHORTEST), granted.refresher != Some(Refresher::Uas)))
            }
            None if self.interval > 0 => Some(Timer::new(now, self.interval, true)),
            None => None,
        };
    }

    /// What to grant to a request, and from now on the session's timer.
    pub(super) fn grant(&mut self, now: Moment, asked: Asked) -> Option<Grant> {
        self.min_se = self.min_se.max(asked.min_se);
        let wish = if self.interval > 0 { self.interval.max(asked.min_se) } else { 0 };
        let secs = match asked.secs {
            Some(secs) if wish > 0 => secs.min(wish).max(self.min_se),
            Some(secs) => secs.max(self.min_se),
            None => wish,
        };
        if secs == 0 {
            self.timer = None;
            return None;
        }
        let before = self.timer.is_some_and(|timer| !timer.ours);
        let sender = asked.knows && asked.sender.unwrap_or(before);
        self.timer = Some(Timer::new(now, secs, !sender));
        Some(Grant { secs, sender, require: sender })
    }

    /// A refresh of ours failed for the moment: there is time for another before the session expires.
    pub(super) fn not_refreshed(&mut self, now: Moment) {
        if let Some(timer) = &mut self.timer {
            timer.refresh = now.after(timer.expires.since(now) / 2).after(Duration::from_millis(1));
        }
    }

    pub(super) fn due(&mut self, now: Moment) -> Due {
        match &mut self.timer {
            Some(timer) if timer.expires <= now => Due::Expired,
            Some(timer) if timer.ours && timer.refresh <= now => {
                timer.refresh = timer.expires;
                Due::Refresh
            }
            Some(_) | None => Due::Nothing,
        }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let timer = self.timer?;
        Some(if timer.ours { timer.refresh.min(timer.expires) } else { timer.expires })
    }

    /// Whoever was away while the session expired waits a little longer for the peer's refresh.
    pub(super) fn forgive(&mut self, until: Moment) {
        if let Some(timer) = &mut self.timer {
            timer.expires = timer.expires.max(until);
        }
    }

    pub(super) fn stop(&mut self) {
        self.timer = None;
    }
}

impl Timer {
    /// 7.2 and 10: refresh at half the interval; give up the smaller of 32 seconds and a third before its end.
    fn new(now: Moment, secs: u32, ours: bool) -> Timer {
        let whole = Duration::from_secs(u64::from(secs));
        let margin = Duration::from_secs(32).min(whole / 3);
        Timer { secs, ours, refresh: now.after(whole / 2), expires: now.after(whole - margin) }
    }
}
