use std::time::Duration;

use machine::Moment;

/// Waiting on purpose pays from so many packets at a time on.
const WORTH: u64 = 3;
/// The load is measured over this.
const WINDOW: Duration = Duration::from_millis(10);

/// Under load a thread that wakes for each packet spends more on waking than on packets. So it looks only
/// every so often, as long as there is enough to find.
#[derive(Debug)]
pub(crate) struct Pace {
    gather: Duration,
    since: Moment,
    packets: u64,
    busy: bool,
    looked: Moment,
}

impl Pace {
    pub(crate) fn new(gather: Duration) -> Self {
        Pace { gather, since: Moment::START, packets: 0, busy: false, looked: Moment::START }
    }

    /// A look found so many packets.
    pub(crate) fn looked(&mut self, now: Moment, packets: usize) {
        self.looked = now;
        self.packets += packets as u64;
        let span = now.since(self.since);
        if span < WINDOW {
            return;
        }
        let gathered = u128::from(self.packets) * self.gather.as_micros() / span.as_micros();
        self.busy = gathered >= u128::from(WORTH);
        (self.since, self.packets) = (now, 0);
    }

    /// Whether there is enough to find that waiting for it pays.
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// How long not to look yet, if busy.
    pub(crate) fn pause(&self, now: Moment) -> Option<Duration> {
        self.gather.checked_sub(now.since(self.looked)).filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pace: &mut Pace, from: Moment, every: Duration) -> Moment {
        (0..2_000).fold(from, |now, _| {
            pace.looked(now, 1);
            now.after(every)
        })
    }

    #[test]
    fn a_busy_thread_gathers_and_an_idle_one_looks_at_once() {
        let mut pace = Pace::new(Duration::from_micros(750));
        let now = run(&mut pace, Moment::from_secs(1), Duration::from_micros(20));
        pace.looked(now, 1);
        assert!(pace.is_busy());
        assert_eq!(pace.pause(now.after(Duration::from_micros(250))), Some(Duration::from_micros(500)));
        assert_eq!(pace.pause(now.after(Duration::from_micros(800))), None);
        let now = run(&mut pace, now, Duration::from_micros(500));
        pace.looked(now, 1);
        assert!(!pace.is_busy());
    }
}
