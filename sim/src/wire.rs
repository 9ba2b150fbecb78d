use std::time::Duration;

use crate::chance::Chance;

/// What a network does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Lost packets in a thousand.
    pub loss: u32,
    /// Packets that come twice, in a thousand.
    pub doubled: u32,
    /// How long a packet travels at least.
    pub delay: Duration,
    /// How much longer it may travel: what is sent later may come earlier.
    pub jitter: Duration,
}

impl Conditions {
    /// Nothing is lost, nothing overtakes.
    pub const GOOD: Conditions =
        Conditions { loss: 0, doubled: 0, delay: Duration::from_millis(5), jitter: Duration::ZERO };

    /// Whether audio comes as it was sent.
    pub(crate) fn is_good(&self) -> bool {
        self.loss == 0 && self.jitter <= Duration::from_millis(20)
    }

    /// After how long each copy of a packet arrives; none: it is lost.
    pub(crate) fn carry(&self, chance: &mut Chance) -> impl Iterator<Item = Duration> + use<> {
        let mut one = |lost: u32| {
            if chance.happens(lost) {
                return None;
            }
            Some(self.delay + Duration::from_micros(chance.below(self.jitter.as_micros() as u64 + 1)))
        };
        let first = one(self.loss);
        let second = one(1000 - self.doubled.min(1000));
        first.into_iter().chain(second)
    }
}
