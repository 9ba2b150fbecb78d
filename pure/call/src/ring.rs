//! RFC 3261 16.7: which of many responses the caller gets.

use std::collections::VecDeque;

use contract::record::Outcome;
use contract::registration::Contact;
use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};
use sip::Status;

use crate::LegNo;
use crate::early::ToldEarly;
use crate::ending::End;
use crate::state::Happening;

/// Phones are being called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ringing {
    /// When nobody is at home.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) until: Moment,
    /// When the phones in `waiting` ring too.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) hunt_at: Option<Moment>,
    /// The phones of a lower q, highest first.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) waiting: VecDeque<Contact>,
    /// The legs that may still answer.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) open: Vec<LegNo>,
    /// Whose early media the caller hears.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) early: Option<LegNo>,
    /// Who was told by UPDATE where that is now.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) told: ToldEarly,
    /// What the caller was told last.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) progress: Option<Status>,
    /// Users that a phone redirected us to.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) redirects: VecDeque<String>,
    /// The best refusal so far.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) best: Option<Refused>,
}

/// A phone's refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) status: Status,
    pub(crate) retry_after: Option<u32>,
    pub(crate) cause: Option<String>,
}

impl Refused {
    pub(crate) fn of(status: Status) -> Self {
        Refused { status, retry_after: None, cause: None }
    }

    /// A lower rank is more worth telling (RFC 3261 16.7, 6): first 6xx, then the lowest class; within 4xx
    /// what the caller can do something about before what just says that a phone was not there. A redirection
    /// that leads nowhere is no better than that.
    fn rank(&self) -> u16 {
        match self.status.code() {
            600..=699 => 0,
            486 => 400,
            415 | 420 | 484 | 488 => 401,
            300..=399 | 408 | 430 | 480 | 487 => 499,
            503 => 599,
            code => code / 100 * 100 + 50,
        }
    }

    /// How the call ends with this refusal.
    fn end(&self, rang: bool) -> End {
        let (outcome, cause) = match self.status.code() {
            486 | 600 => (Outcome::Busy, "busy".to_owned()),
            603 | 607 | 608 => (Outcome::Busy, "declined".to_owned()),
            408 | 430 | 503 if !rang => (Outcome::Unreachable, "no phone could be reached".to_owned()),
            408 | 430 | 480 | 487 | 503 if rang => (Outcome::NoAnswer, "no answer".to_owned()),
            480 => (Outcome::Unreachable, "temporarily unavailable".to_owned()),
            300..=399 => (Outcome::Unreachable, "redirected to where we don't go".to_owned()),
            500..=599 => (Outcome::Unreachable, self.told()),
            _ => (Outcome::Refused, self.told()),
        };
        End { outcome, status: self.for_caller(), cause, reason: self.cause.clone() }
    }

    fn told(&self) -> String {
        format!("the phone said {}", self.status)
    }

    /// What the caller is told: a challenge, a redirection or a lost flow between a phone and us is none of
    /// its business.
    fn for_caller(&self) -> Status {
        match self.status.code() {
            300..=399 | 401 | 407 | 408 | 430 | 487 | 503 => Status::TEMPORARILY_UNAVAILABLE,
            _ => self.status,
        }
    }
}

impl Ringing {
    /// A phone said no; what it said is remembered if it is the best so far. Whether nobody else may be
    /// asked any more (6xx).
    pub(crate) fn refused(&mut self, leg: LegNo, refused: Refused) -> bool {
        self.open.retain(|open| *open != leg);
        if self.early == Some(leg) {
            self.early = None;
        }
        let is_final = refused.status.class() == 6;
        if self.best.as_ref().is_none_or(|best| refused.rank() < best.rank()) {
            self.best = Some(refused);
        }
        is_final
    }

    /// Nobody is left who could answer.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty() && self.redirects.is_empty()
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        Some(self.hunt_at.map_or(self.until, |at| at.min(self.until)))
    }

    /// What the clock brings.
    pub(crate) fn due(&self, now: Moment) -> Option<Happening> {
        if self.until <= now {
            return Some(Happening::RungOut);
        }
        self.hunt_at.filter(|at| *at <= now).map(|_| Happening::HuntOn)
    }

    /// How the call ends if nobody is left.
    pub(crate) fn end(&self, rang: bool) -> End {
        self.best.as_ref().map_or_else(End::nobody_there, |best| best.end(rang))
    }

    /// The phones of the highest q that wait.
    pub(crate) fn next_group(&mut self) -> Vec<Contact> {
        let Some(q) = self.waiting.front().map(|contact| contact.q) else { return Vec::new() };
        let size = self.waiting.iter().take_while(|contact| contact.q == q).count();
        self.waiting.drain(..size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best_of(statuses: &[u16]) -> u16 {
        let mut ringing = Ringing::default();
        for (leg, status) in statuses.iter().enumerate() {
            ringing.refused(LegNo(leg as u16), Refused::of(Status::new(*status).unwrap()));
        }
        ringing.end(true).status.code()
    }

    #[test]
    fn the_best_refusal_reaches_the_caller() {
        assert_eq!(best_of(&[480, 486, 408]), 486);
        assert_eq!(best_of(&[486, 603, 404]), 603);
        assert_eq!(best_of(&[500, 404]), 404);
        assert_eq!(best_of(&[503, 500]), 500);
        assert_eq!(best_of(&[480, 404]), 404);
        assert_eq!(best_of(&[503]), 480);
        assert_eq!(best_of(&[407]), 480);
        assert_eq!(best_of(&[302]), 480);
    }

    #[test]
    fn phones_ring_in_groups_of_the_same_q() {
        let phone = |uri: &str, q| Contact { uri: uri.into(), q, ..Contact::default() };
        let waiting = [phone("a", 1000), phone("b", 1000), phone("c", 500)];
        let mut ringing = Ringing { waiting: waiting.into(), ..Ringing::default() };
        assert_eq!(ringing.next_group().len(), 2);
        assert_eq!(ringing.next_group().len(), 1);
        assert!(ringing.next_group().is_empty() && ringing.is_exhausted());
    }
}
