//! Everybody registers at once: after an outage a cell's phones come back by their own timers, and who finds a full
//! house is told when to come again (503 with Retry-After).
//!
//! With `phones` N, of which `N / within` arrive in a second, `carried` C a second, a refusal that takes the share q of
//! what a registration takes, and m seconds in the mean until who was refused is back, P wait outside:
//!
//! ```text
//! offered     A = N / within + P / m            (the first only while they arrive)
//! registered  s = (C - q A) / (1 - q)           where A > C; else all of A
//! waiting     dP/dt = N / within - s            which grows or falls by e^(k t), k = q / (m (1 - q))
//! ```
//!
//! The formula solves it, as if those who wait came back evenly; in the model they come second by second when they were
//! told to, so the waves of a short crowd can be seen. They agree within a tenth and one pause, unless refusals
//! take most of what there is ([`Storm::strain`]).

use serde::Serialize;

/// A crowd that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Storm {
    /// How many register.
    pub phones: f64,
    /// They come evenly within so many seconds: the phones' own pause between two tries.
    pub within: f64,
    /// Registrations that can be carried in a second.
    pub carried: f64,
    /// What a refusal takes of what a registration takes, 0 to less than 1.
    pub refusal: f64,
    /// Who is refused comes back after so many seconds at least, and twice as many at most.
    pub retry_after: f64,
}

/// How it goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// All are registered after so many seconds; none if they never are, since refusals alone take all there is.
    pub seconds: Option<f64>,
    /// The most that come in a second.
    pub offered: f64,
    /// Refusals in all.
    pub refused: f64,
}

/// No model runs longer, seconds.
const LONGEST: usize = 24 * 3600;

impl Storm {
    /// In the mean until who was refused is back, seconds.
    fn back(&self) -> f64 {
        1.5 * self.retry_after
    }

    /// `k` of the formula.
    fn pace(&self) -> f64 {
        let q = self.refusal.max(1e-9);
        q / (self.back() * (1.0 - q))
    }

    /// How many wait when the last has come for the first time, and how many are hopeless: refusals alone would take
    /// all there is.
    fn waiting(&self) -> (f64, f64) {
        let (arrive, per_refusal) = (self.phones / self.within, self.back() / self.refusal.max(1e-9));
        let more = (arrive - self.carried).max(0.0);
        (more * per_refusal * (self.pace() * self.within).exp_m1(), self.carried * per_refusal)
    }

    /// The share of what there is that refusals take when most wait. Near 1, small differences decide.
    pub fn strain(&self) -> f64 {
        let (waiting, hopeless) = self.waiting();
        waiting / hopeless
    }

    /// After about so many seconds all are registered; none if that is never.
    pub fn seconds(&self) -> Option<f64> {
        if self.phones / self.within <= self.carried {
            return Some(self.within);
        }
        let (waiting, hopeless) = self.waiting();
        if waiting >= hopeless {
            return None;
        }
        let calm = self.carried * self.back();
        let until_calm = ((hopeless - calm) / (hopeless - waiting)).ln() / self.pace();
        // A short crowd is over before the first of it is back.
        let nobody = (self.retry_after - self.within).max(0.0);
        Some(self.within + nobody + until_calm.max(0.0) + 2.0 * self.retry_after)
    }

    /// Goes through it second by second.
    pub fn play(&self) -> Outcome {
        let arrive = self.phones / self.within;
        let latest = (2.0 * self.retry_after).ceil() as usize;
        let mut back = vec![0.0; latest + 1];
        let (mut registered, mut refused, mut most) = (0.0, 0.0, 0.0f64);
        for second in 0..LONGEST {
            let fresh = (self.within - second as f64).clamp(0.0, 1.0) * arrive;
            let slot = second % back.len();
            let offered = fresh + std::mem::take(&mut back[slot]);
            most = most.max(offered);
            let served = self.served(offered);
            (registered, refused) = (registered + served, refused + offered - served);
            if registered >= self.phones * (1.0 - 1e-6) {
                return Outcome { seconds: Some(second as f64 + 1.0), offered: most, refused };
            }
            self.put_off(second, offered - served, &mut back);
        }
        Outcome { seconds: None, offered: most, refused }
    }

    fn served(&self, offered: f64) -> f64 {
        if offered <= self.carried {
            return offered;
        }
        ((self.carried - self.refusal * offered) / (1.0 - self.refusal)).max(0.0)
    }

    /// Who is refused in this second comes back in one of those that he may be told.
    fn put_off(&self, second: usize, refused: f64, back: &mut [f64]) {
        let least = self.retry_after.ceil().max(1.0) as usize;
        let room = back.len();
        let seconds = least..room;
        let each = refused / seconds.len() as f64;
        seconds.for_each(|after| back[(second + after) % room] += each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STORM: Storm =
        Storm { phones: 600_000.0, within: 60.0, carried: 20_000.0, refusal: 0.5, retry_after: 5.0 };

    /// Phones, within, carried, refusal; seconds by the formula and by the model, and refusals a phone.
    type Case = (f64, f64, f64, f64, Option<f64>, Option<f64>, f64);

    const TABLE: [Case; 6] = [
        // Everybody is served on arrival.
        (600_000.0, 60.0, 20_000.0, 0.5, Some(60.0), Some(60.0), 0.0),
        // Refusals cost nothing: phones / carried, and the last one's pause.
        (600_000.0, 60.0, 5_000.0, 0.0, Some(122.5), Some(126.0), 4.00),
        (600_000.0, 10.0, 20_000.0, 0.0, Some(32.5), Some(36.0), 1.35),
        // Refusals cost something.
        (600_000.0, 60.0, 9_500.0, 0.1, Some(70.0), Some(70.0), 0.33),
        (600_000.0, 10.0, 30_000.0, 0.25, Some(32.0), Some(34.0), 1.32),
        // Refusals cost all there is: nobody gets in any more.
        (600_000.0, 10.0, 20_000.0, 0.5, None, None, f64::INFINITY),
    ];

    #[test]
    fn formula_and_model_are_as_the_table_says() {
        for (phones, within, carried, refusal, formula, model, refused) in TABLE {
            let storm = Storm { phones, within, carried, refusal, ..STORM };
            let (seconds, outcome) = (storm.seconds(), storm.play());
            assert_eq!(seconds.map(|it| (it * 10.0).round() / 10.0), formula, "{storm:?}");
            assert_eq!(outcome.seconds, model, "{storm:?}");
            if refused.is_finite() {
                assert!((outcome.refused / phones - refused).abs() < 0.01, "{storm:?} {outcome:?}");
            }
        }
    }

    #[test]
    fn a_longer_retry_after_saves_those_who_refusals_alone_would_keep_out() {
        let short = Storm { within: 10.0, ..STORM };
        assert_eq!((short.seconds(), short.play().seconds), (None, None));
        let long = Storm { retry_after: 30.0, ..short };
        assert!(long.seconds().is_some() && long.play().seconds.is_some());
    }

    proptest! {
        #[test]
        fn formula_and_model_agree_within_a_tenth_and_one_pause(
            phones in 1e4..2e6, within in 5.0..300.0, carried in 1e3..1e5, refusal in 0.0..0.3, retry_after in 2u32..40,
        ) {
            let retry_after = f64::from(retry_after);
            let storm = Storm { phones, within, carried, refusal, retry_after };
            prop_assume!(storm.strain() < 0.5);
            if let (Some(formula), Some(model)) = (storm.seconds(), storm.play().seconds) {
                let apart = 0.1 * formula.max(model) + 2.0 * retry_after + 1.0;
                prop_assert!((formula - model).abs() <= apart, "{storm:?}: {formula}, {model}");
            }
        }
    }
}
