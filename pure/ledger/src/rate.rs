use serde::{Deserialize, Serialize};

/// What talking costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rate {
    /// Millionths of the currency's unit a minute; nothing below zero.
    pub micros_per_minute: i64,
    /// What is begun of so many seconds is charged whole.
    pub step_seconds: u32,
    /// ISO 4217.
    pub currency: String,
}

impl Default for Rate {
    fn default() -> Self {
        Rate { micros_per_minute: 0, step_seconds: 1, currency: "EUR".into() }
    }
}

impl Rate {
    /// Whether talking costs nothing.
    pub fn is_free(&self) -> bool {
        self.micros_per_minute <= 0
    }

    /// The price of `talked_ms` milliseconds: whole steps, then rounded up to a millionth.
    pub fn price_ms(&self, talked_ms: u64) -> i64 {
        let step_ms = u64::from(self.step()) * 1000;
        self.price_of_steps(talked_ms.div_ceil(step_ms))
    }

    /// The price of `seconds`.
    pub fn price(&self, seconds: u64) -> i64 {
        self.price_of_steps(seconds.div_ceil(self.step().into()))
    }

    /// How many of the `wanted` seconds, on top of `before`, cost no more than `micros`.
    pub fn affordable(&self, before: u64, wanted: u32, micros: i64) -> u32 {
        let base = self.price(before);
        let costs = |seconds: u32| self.price(before + u64::from(seconds)).saturating_sub(base);
        if costs(wanted) <= micros {
            return wanted;
        }
        // Prices rise with time, so the border can be sought by halving.
        let (mut enough, mut too_much) = (0, wanted);
        while too_much - enough > 1 {
            let between = enough + (too_much - enough) / 2;
            if costs(between) <= micros {
                enough = between;
            } else {
                too_much = between;
            }
        }
        if costs(enough) <= micros { enough } else { 0 }
    }

    fn step(&self) -> u32 {
        self.step_seconds.max(1)
    }

    fn price_of_steps(&self, steps: u64) -> i64 {
        let micros = i128::from(self.micros_per_minute.max(0));
        let price = i128::from(steps) * i128::from(self.step()) * micros;
        i64::try_from((price + 59) / 60).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(micros_per_minute: i64, step_seconds: u32) -> Rate {
        Rate { micros_per_minute, step_seconds, ..Rate::default() }
    }

    #[test]
    fn what_is_begun_is_charged_whole() {
        let cents_by_minute = rate(10_000, 60);
        assert_eq!(cents_by_minute.price_ms(0), 0);
        assert_eq!(cents_by_minute.price_ms(1), 10_000);
        assert_eq!(cents_by_minute.price_ms(60_000), 10_000);
        assert_eq!(cents_by_minute.price_ms(60_001), 20_000);
        assert_eq!(rate(10_000, 1).price_ms(1_500), 334, "two seconds of 166.67, rounded up");
        assert_eq!(rate(10_000, 0).price_ms(1_500), 334, "a step of nothing is one of a second");
    }

    #[test]
    fn a_purse_covers_as_many_seconds_as_it_can_pay() {
        let cents = rate(60_000, 1);
        assert_eq!(cents.affordable(0, 60, 10_000), 10);
        assert_eq!(cents.affordable(0, 60, 999), 0);
        assert_eq!(cents.affordable(0, 60, i64::MAX), 60);
        assert_eq!(rate(60_000, 30).affordable(0, 60, 45_000), 30);
        assert_eq!(rate(60_000, 30).affordable(10, 30, 0), 20, "the rest of a step is paid already");
    }

    proptest! {
        #[test]
        fn what_is_affordable_is_affordable_and_a_second_more_is_not(
            per_minute in 1_i64..10_000_000, step in 1_u32..120, before in 0_u64..10_000,
            wanted in 1_u32..5_000, purse in 0_i64..100_000_000,
        ) {
            let rate = rate(per_minute, step);
            let seconds = rate.affordable(before, wanted, purse);
            let costs = |seconds: u32| rate.price(before + u64::from(seconds)) - rate.price(before);
            prop_assert!(costs(seconds) <= purse);
            prop_assert!(seconds == wanted || costs(seconds + 1) > purse);
        }
    }
}
