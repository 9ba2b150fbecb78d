use contract::media::LegQuality;
use contract::record::CallRecord;
use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use crate::ending::End;

/// What the record will say, as far as it has happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Chronicle {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) dialed: String,
    /// Who was rung last, or answered.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) callee: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) started: Moment,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) rang: Option<Moment>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) answered: Option<Moment>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) ended: Moment,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) end: Option<End>,
    /// How each leg sounded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) quality: Vec<LegQuality>,
}

impl Chronicle {
    pub(crate) fn begin(dialed: String, now: Moment) -> Self {
        Chronicle { dialed, started: now, ..Chronicle::default() }
    }

    /// How the audio sounded on one media node: what was counted on several is added up.
    pub(crate) fn sounded(&mut self, quality: Vec<LegQuality>) {
        for part in quality {
            match self.quality.iter_mut().find(|leg| leg.leg == part.leg) {
                Some(leg) => *leg = together(leg, &part),
                None => self.quality.push(part),
            }
        }
        self.quality.sort_by_key(|leg| leg.leg);
    }

    /// Milliseconds from answer to end.
    pub(crate) fn talked_ms(&self) -> u64 {
        self.answered.map_or(0, |answered| self.ended.since(answered).as_millis() as u64)
    }

    /// The record of it, once it is over; the caller of this fills in what is not in the chronicle.
    pub(crate) fn record(&self) -> Option<CallRecord> {
        let end = self.end.as_ref()?;
        Some(CallRecord {
            dialed: self.dialed.clone(),
            callee: self.callee.clone(),
            started: self.started,
            rang: self.rang,
            answered: self.answered,
            ended: self.ended,
            outcome: end.outcome,
            status: end.status.code(),
            cause: end.cause.clone(),
            quality: self.quality.clone(),
            ..CallRecord::default()
        })
    }
}

/// Counts are added up; how it sounded is how the longer part did.
fn together(one: &LegQuality, other: &LegQuality) -> LegQuality {
    let longer = if one.received >= other.received { one } else { other };
    let remote_lost = one.remote_lost.into_iter().chain(other.remote_lost).reduce(|one, other| one + other);
    LegQuality {
        received: one.received + other.received,
        sent: one.sent + other.sent,
        lost: one.lost + other.lost,
        remote_lost,
        ..longer.clone()
    }
}
