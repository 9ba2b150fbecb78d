use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When calls in progress are moved to other hosts' media by themselves. It takes several hosts; of two, nobody can say
/// whose the bad path is between them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Moving {
    /// Whether they are at all. By hand (`strowger move`, `strowger drain`) they can be in any case.
    pub(crate) on: bool,
    /// Calls leave a host if the mean opinion score (1 to 4.5) of a call over its paths would be lower by so much than
    /// over those of the other hosts between each other,
    pub(crate) worse_by_mos: f64,
    /// for so long, seconds.
    pub(crate) worse_for_seconds: u64,
    /// A host that calls left gets new ones again when its paths have been good for so long, seconds.
    pub(crate) good_for_seconds: u64,
    /// A host is full when so much of its media ports or of its processors is used, percent,
    pub(crate) full_percent: u8,
    /// and another is used less by so much. It gives calls away until they are near each other.
    pub(crate) fuller_by_percent: u8,
    /// A call that was moved stays at least so long, seconds.
    pub(crate) rest_seconds: u64,
    /// Each signalling thread moves at most so many calls a second.
    pub(crate) most_per_second: u32,
}

impl Default for Moving {
    fn default() -> Self {
        Moving {
            on: true,
            worse_by_mos: 0.3,
            worse_for_seconds: 3,
            good_for_seconds: 15,
            full_percent: 75,
            fuller_by_percent: 25,
            rest_seconds: 60,
            most_per_second: 10,
        }
    }
}

impl Moving {
    /// What its parts say about each other; each line names the key.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let rules = [
            (!(0.05..=3.5).contains(&self.worse_by_mos), "moving.worse_by_mos: expected 0.05 to 3.5"),
            (!(1..=100).contains(&self.full_percent), "moving.full_percent: expected 1 to 100"),
            (!(15..=100).contains(&self.fuller_by_percent), "moving.fuller_by_percent: expected 15 to 100"),
            (!(1..=1000).contains(&self.most_per_second), "moving.most_per_second: expected 1 to 1000"),
        ];
        rules.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, what)| what.to_owned()).collect()
    }

    /// What it means to an exchange.
    pub(crate) fn settings(&self) -> paths::Settings {
        paths::Settings {
            on: self.on,
            margin: self.worse_by_mos,
            patience: Duration::from_secs(self.worse_for_seconds),
            relief: Duration::from_secs(self.good_for_seconds),
            full: f64::from(self.full_percent) / 100.0,
            gap: f64::from(self.fuller_by_percent) / 100.0,
            rest: Duration::from_secs(self.rest_seconds),
            most: self.most_per_second,
            ..paths::Settings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_set_is_by_default_what_the_policy_has() {
        assert_eq!(Moving::default().settings(), paths::Settings::default());
        assert!(Moving::default().contradictions().is_empty());
        let wrong = Moving { full_percent: 101, most_per_second: 0, ..Moving::default() };
        assert_eq!(wrong.contradictions().len(), 2);
    }
}
