//! When what is sent again (RFC 3261 17.1): half a second, then twice as long each time.

use std::collections::VecDeque;

/// How often something is sent again before it is given up.
pub(crate) const TRIES: u8 = 5;

/// T1 in microseconds.
const T1: u64 = 500_000;

/// What waits for an answer: one queue a try, each in the order of time by itself.
#[derive(Debug)]
pub(crate) struct Resend<T> {
    queues: [VecDeque<(u64, T)>; TRIES as usize + 1],
}

impl<T> Default for Resend<T> {
    fn default() -> Self {
        Resend { queues: Default::default() }
    }
}

impl<T> Resend<T> {
    /// `what` was sent for the time `tries`, counted from zero.
    pub(crate) fn sent(&mut self, now: u64, tries: u8, what: T) {
        if let Some(queue) = self.queues.get_mut(usize::from(tries)) {
            queue.push_back((now + (T1 << tries), what));
        }
    }

    /// What is due, with how often it was sent before.
    pub(crate) fn due(&mut self, now: u64) -> Option<(u8, T)> {
        let (tries, queue) = self
            .queues
            .iter_mut()
            .enumerate()
            .find(|(_, queue)| queue.front().is_some_and(|(at, _)| *at <= now))?;
        let (_, what) = queue.pop_front()?;
        Some((tries as u8 + 1, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_takes_twice_as_long() {
        let mut resend = Resend::default();
        resend.sent(0, 0, 'a');
        resend.sent(100, 1, 'b');
        assert_eq!(resend.due(499_999), None);
        assert_eq!(resend.due(500_000), Some((1, 'a')));
        assert_eq!(resend.due(1_000_099), None);
        assert_eq!(resend.due(1_000_100), Some((2, 'b')));
        assert_eq!(resend.due(u64::MAX), None);
    }
}
