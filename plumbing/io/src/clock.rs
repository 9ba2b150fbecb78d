use machine::Moment;

/// The shell's clock: starts at the time of day and from there on only goes forward, whatever happens to the
/// time of day. Copies agree with each other; clocks of one anchor agree across processes of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The moment at which the machine's monotonic clock was zero, in microseconds since 1970.
    anchor: u64,
}

impl Clock {
    /// Starts at the time of day, or just above `floor` if that is later (a predecessor was there already).
    pub fn start(floor: Moment) -> Self {
        let today = read(libc::CLOCK_REALTIME);
        Clock { anchor: today.max(floor.as_micros() + 1).saturating_sub(read(libc::CLOCK_MONOTONIC)) }
    }

    /// The same clock in another process of the same boot.
    pub fn anchored(anchor: u64) -> Self {
        Clock { anchor }
    }

    /// What another process needs to have the same clock.
    pub fn anchor(self) -> u64 {
        self.anchor
    }

    /// This clock, moved ahead if need be so that it is past `floor`.
    #[must_use]
    pub fn above(self, floor: Moment) -> Self {
        let behind = (floor.as_micros() + 1).saturating_sub(self.now().as_micros());
        Clock { anchor: self.anchor + behind }
    }

    /// Now.
    pub fn now(self) -> Moment {
        Moment::from_micros(self.anchor + read(libc::CLOCK_MONOTONIC))
    }
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes into `time`. These clocks always exist.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_above_its_floor() {
        let far = Moment::from_secs(9_000_000_000);
        let clock = Clock::start(far);
        assert!(clock.now() > far && clock.now() < Moment::from_secs(9_000_000_060));
        let clock = Clock::start(Moment::START);
        let before = clock.now();
        assert!(Clock::anchored(clock.anchor()).now() >= before);
        assert!(clock.above(far).now() > far);
        assert_eq!(clock.above(Moment::START), clock);
    }
}
