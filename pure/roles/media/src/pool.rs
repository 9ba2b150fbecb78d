//! Which ports are lent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use machine::Moment;

/// The two ports of a leg, as they are told to phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPair {
    /// Where RTP comes to.
    pub rtp: SocketAddr,
    /// Where RTCP comes to.
    pub rtcp: SocketAddr,
}

/// One socket of the pool: the RTP or the RTCP side of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket(u32);

impl Socket {
    /// The RTP side of a pair.
    pub const fn rtp(pair: u32) -> Self {
        Socket(pair << 1)
    }

    /// The RTCP side of a pair.
    pub const fn rtcp(pair: u32) -> Self {
        Socket(pair << 1 | 1)
    }

    /// From [`Socket::number`].
    pub const fn of(number: u32) -> Self {
        Socket(number)
    }

    /// Twice the pair's number, and one more on the RTCP side.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Which pair.
    pub const fn pair(self) -> u32 {
        self.0 >> 1
    }

    /// Whether it is the RTCP side.
    pub const fn is_rtcp(self) -> bool {
        self.0 & 1 == 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Lent,
    /// Until then.
    Resting(Moment),
}

/// All pairs of a packet thread. Those given back last are lent last, and not before they have rested.
#[derive(Debug)]
pub(crate) struct Pool {
    pairs: Vec<PortPair>,
    states: Vec<State>,
    /// May hold pairs that were claimed since: only those whose state is free count.
    free: [VecDeque<u32>; 2],
    /// By the end of their rest: a successor takes up what was given back in any order.
    resting: BTreeSet<(Moment, u32)>,
    by_address: BTreeMap<SocketAddr, u32>,
    rest: Duration,
    lent: usize,
}

impl Pool {
    pub(crate) fn new(pairs: Vec<PortPair>, rest: Duration) -> Self {
        let mut free = [VecDeque::new(), VecDeque::new()];
        let mut by_address = BTreeMap::new();
        for (number, pair) in (0..).zip(&pairs) {
            free[usize::from(pair.rtp.is_ipv6())].push_back(number);
            by_address.insert(pair.rtp, number);
        }
        let states = vec![State::Free; pairs.len()];
        Pool { pairs, states, free, resting: BTreeSet::new(), by_address, rest, lent: 0 }
    }

    pub(crate) fn pair(&self, number: u32) -> PortPair {
        self.pairs[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn lent(&self) -> usize {
        self.lent
    }

    pub(crate) fn borrow(&mut self, now: Moment, ipv6: bool) -> Option<u32> {
        self.wake(now);
        while let Some(number) = self.free[usize::from(ipv6)].pop_front() {
            if self.states[number as usize] == State::Free {
                self.states[number as usize] = State::Lent;
                self.lent += 1;
                return Some(number);
            }
        }
        None
    }

    /// The pair with this RTP address, if it is not lent: a successor takes up what its predecessor lent.
    pub(crate) fn claim(&mut self, rtp: SocketAddr) -> Option<u32> {
        let number = *self.by_address.get(&rtp)?;
        if self.states[number as usize] == State::Lent {
            return None;
        }
        self.states[number as usize] = State::Lent;
        self.lent += 1;
        Some(number)
    }

    pub(crate) fn give_back(&mut self, now: Moment, number: u32) {
        self.lent -= 1;
        self.put_to_rest(number, now.after(self.rest));
    }

    /// The pair with this RTP address was given back at `since`, to a predecessor; unless somebody has it again.
    pub(crate) fn was_given_back(&mut self, since: Moment, rtp: SocketAddr) {
        let Some(&number) = self.by_address.get(&rtp) else { return };
        let until = since.after(self.rest);
        match self.states[number as usize] {
            State::Lent => {}
            State::Free => self.put_to_rest(number, until),
            State::Resting(before) => {
                self.resting.remove(&(before, number));
                self.put_to_rest(number, until.max(before));
            }
        }
    }

    fn put_to_rest(&mut self, number: u32, until: Moment) {
        self.states[number as usize] = State::Resting(until);
        self.resting.insert((until, number));
    }

    fn wake(&mut self, now: Moment) {
        while let Some(&(until, number)) = self.resting.first()
            && until <= now
        {
            self.resting.pop_first();
            if self.states[number as usize] == State::Resting(until) {
                self.states[number as usize] = State::Free;
                self.free[usize::from(self.pair(number).rtp.is_ipv6())].push_back(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(pairs: u16) -> Pool {
        let pair = |index: u16| PortPair {
            rtp: ([192, 0, 2, 1], 30_000 + 2 * index).into(),
            rtcp: ([192, 0, 2, 1], 30_001 + 2 * index).into(),
        };
        Pool::new((0..pairs).map(pair).collect(), Duration::from_secs(5))
    }

    #[test]
    fn ports_rest_before_they_are_lent_again() {
        let (mut pool, start) = (pool(1), Moment::from_secs(100));
        let pair = pool.borrow(start, false).unwrap();
        assert_eq!(pool.borrow(start, false), None);
        pool.give_back(start, pair);
        assert_eq!(pool.borrow(start.after(Duration::from_millis(4_999)), false), None);
        assert_eq!(pool.borrow(start.after(Duration::from_secs(5)), false), Some(pair));
    }

    #[test]
    fn a_claimed_pair_is_not_lent() {
        let mut pool = pool(2);
        let claimed = pool.claim(([192, 0, 2, 1], 30_000).into()).unwrap();
        let lent = pool.borrow(Moment::START, false).unwrap();
        assert_ne!(claimed, lent);
        assert_eq!(pool.borrow(Moment::START, false), None);
        assert_eq!(pool.borrow(Moment::START, true), None);
        assert_eq!(pool.claim(([192, 0, 2, 1], 30_000).into()), None);
        assert_eq!(pool.lent(), 2);
    }
    #[test]
    fn what_a_predecessor_took_back_long_ago_is_lent_at_once() {
        let (mut pool, now) = (pool(3), Moment::from_secs(100));
        let port = |index: u16| SocketAddr::from(([192, 0, 2, 1], 30_000 + 2 * index));
        // In the order of their calls, not of their ends; one pair was used by two calls.
        for (index, ago) in [(0, 1), (1, 60), (2, 60), (2, 1)] {
            pool.was_given_back(Moment::from_secs(100 - ago), port(index));
        }
        assert_eq!(pool.borrow(now, false), Some(1));
        assert_eq!(pool.borrow(now, false), None, "the others were in use a second ago");
        let later = now.after(Duration::from_secs(4));
        assert_eq!([pool.borrow(later, false), pool.borrow(later, false)], [Some(0), Some(2)]);
        pool.was_given_back(later, port(0));
        assert_eq!(pool.lent(), 3, "what is lent again stays so");
    }
}
