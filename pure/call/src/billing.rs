use std::time::Duration;

use contract::billing::{Reserved, Settled};
use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use crate::Settings;

/// What a call may still cost: granted in slices, renewed before they run out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Billing {
    /// The last reservation asked for; 0: none.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) serial: u32,
    /// Seconds granted by all of them.
    #[serde(skip_serializing_if = "is_default")]
    granted: u32,
    /// There will be no more.
    #[serde(skip_serializing_if = "is_default")]
    refused: bool,
    /// When the seconds began to run.
    #[serde(skip_serializing_if = "is_default")]
    answered: Option<Moment>,
    /// When to ask for more.
    #[serde(skip_serializing_if = "is_default")]
    renew_at: Option<Moment>,
    /// When to hang up.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) cut_at: Option<Moment>,
    /// What came of it all.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) settled: Option<Settled>,
}

impl Billing {
    /// Wants one more slice.
    pub(crate) fn reserve(&mut self, settings: &Settings) {
        self.serial += 1;
        self.plan(settings, true);
    }

    /// Reads the answer; whether the call may go on.
    pub(crate) fn reserved(&mut self, reserved: &Reserved, settings: &Settings) -> bool {
        match reserved {
            // Nothing granted is as good as refused, and must not be asked for again and again.
            Reserved::Granted { seconds, .. } if *seconds > 0 => {
                self.granted = self.granted.saturating_add(*seconds);
            }
            Reserved::Granted { .. } | Reserved::Refused { .. } | Reserved::Unknown => self.refused = true,
        }
        self.plan(settings, false);
        !self.refused
    }

    /// The seconds begin to run; `asking`: the last question is still open.
    pub(crate) fn answered(&mut self, now: Moment, asking: bool, settings: &Settings) {
        self.answered = Some(now);
        self.plan(settings, asking);
    }

    /// Whether it is time to ask for more.
    pub(crate) fn wants_more(&self, now: Moment) -> bool {
        self.renew_at.is_some_and(|at| at <= now)
    }

    /// Whether the last granted second is over; if so, why.
    pub(crate) fn cut(&self, now: Moment) -> Option<&'static str> {
        let due = self.cut_at.is_some_and(|at| at <= now);
        due.then_some(if self.refused { "no credit left" } else { "billing could not be reached" })
    }

    /// The call is over: nothing is asked for any more.
    pub(crate) fn stop(&mut self) {
        (self.renew_at, self.cut_at) = (None, None);
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        [self.renew_at, self.cut_at].into_iter().flatten().min()
    }

    fn plan(&mut self, settings: &Settings, asking: bool) {
        let Some(answered) = self.answered else { return };
        let paid = answered.after(Duration::from_secs(self.granted.into()));
        let early = Duration::from_secs(self.granted.into()).saturating_sub(settings.renew_before);
        let may_ask = !self.refused && !asking;
        self.renew_at = may_ask.then(|| answered.after(early));
        self.cut_at = Some(if self.refused { paid } else { paid.after(settings.offline_limit) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Money;

    fn granted(seconds: u32) -> Reserved {
        Reserved::Granted { seconds, amount: Money::default() }
    }

    fn at(secs: u64) -> Moment {
        Moment::from_secs(1000 + secs)
    }

    #[test]
    fn more_is_asked_for_before_the_granted_seconds_run_out() {
        let settings = Settings::default();
        let mut billing = Billing::default();
        billing.reserve(&settings);
        assert!(billing.reserved(&granted(60), &settings));
        assert_eq!(billing.deadline(), None, "nothing runs before the answer");
        billing.answered(at(0), false, &settings);
        assert!(!billing.wants_more(at(44)) && billing.wants_more(at(45)));
        billing.reserve(&settings);
        assert!(!billing.wants_more(at(50)), "it is asked already");
        assert!(billing.reserved(&granted(60), &settings));
        assert!(!billing.wants_more(at(104)) && billing.wants_more(at(105)));
    }

    #[test]
    fn a_refused_renewal_ends_the_call_with_its_last_paid_second() {
        let settings = Settings::default();
        let mut billing = Billing::default();
        billing.reserve(&settings);
        billing.reserved(&granted(60), &settings);
        billing.answered(at(0), false, &settings);
        billing.reserve(&settings);
        assert!(!billing.reserved(&Reserved::Refused { reason: String::new() }, &settings));
        assert_eq!(billing.cut(at(59)), None);
        assert_eq!(billing.cut(at(60)), Some("no credit left"));
    }

    #[test]
    fn without_billing_a_call_goes_on_to_the_offline_limit() {
        let settings = Settings::default();
        let mut billing = Billing::default();
        billing.reserve(&settings);
        billing.answered(at(0), true, &settings);
        assert_eq!(billing.cut(at(299)), None);
        assert_eq!(billing.cut(at(300)), Some("billing could not be reached"));
    }
}
