use std::collections::VecDeque;

use machine::Shard;

use crate::{Frame, Peer};

/// So many messages may wait to be acknowledged by one peer; what comes then is lost, as a datagram would be.
const MOST: usize = 10_000;

/// A message that its receiver has not acknowledged: it is for whoever owns the shard now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Whose owner is meant.
    pub shard: Shard,
    /// The message.
    pub bytes: Vec<u8>,
}

/// What was said to one peer and is not acknowledged.
#[derive(Debug, Default)]
pub struct Outgoing {
    last: u64,
    acked: u64,
    /// What was given numbers after the first and up to the second was on its way when a connection broke: what comes
    /// on the next one says nothing of it.
    gap: (u64, u64),
    unacked: VecDeque<(u64, Undelivered)>,
    refused: u64,
}

impl Outgoing {
    /// A number for something that the peer acknowledges.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The frame that brings a message to the owner of `shard`, who calls it by its number in his cell; none if too many
    /// wait already.
    pub fn inward(&mut self, view: u64, shard: Shard, bytes: Vec<u8>) -> Option<Frame> {
        if self.unacked.len() >= MOST {
            self.refused += 1;
            return None;
        }
        let number = self.number();
        self.unacked.push_back((number, Undelivered { shard, bytes: bytes.clone() }));
        Some(Frame::Inward { number, view, shard: shard.at_home(), bytes })
    }

    /// Everything up to `number` is safe.
    pub fn acked(&mut self, number: u64) {
        self.acked = self.acked.max(number.min(self.last));
        while self.unacked.front().is_some_and(|(sent, _)| *sent <= number) {
            self.unacked.pop_front();
        }
    }

    /// The last number that was given.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether what has this number is safe.
    pub fn is_safe(&self, number: u64) -> bool {
        number <= self.acked && !(self.gap.0 < number && number <= self.gap.1)
    }

    /// Whether what has this number, or a copy that was begun later, has arrived.
    pub fn is_past(&self, number: u64) -> bool {
        number <= self.acked
    }

    /// The connection broke: what is on its way may not arrive.
    pub fn cut(&mut self) {
        let first = if self.acked < self.gap.1 { self.gap.0 } else { self.acked };
        self.gap = (first, self.last);
    }

    /// What must be said again on a new connection, under new numbers.
    pub fn again(&mut self, view: u64) -> Vec<Frame> {
        let waiting = std::mem::take(&mut self.unacked);
        let again = waiting.into_iter().filter_map(|(_, it)| self.inward(view, it.shard, it.bytes));
        again.collect()
    }

    /// Takes out what is for another one than `peer`: `owner` says whose each shard is.
    pub fn misdirected(&mut self, peer: Peer, owner: impl Fn(Shard) -> Option<Peer>) -> Vec<Undelivered> {
        let is_here = |it: &Undelivered| owner(it.shard) == Some(peer);
        let (stay, go): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.unacked).into_iter().partition(|(_, it)| is_here(it));
        self.unacked = stay;
        go.into_iter().map(|(_, it)| it).collect()
    }

    /// Messages that found no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Messages that are not acknowledged.
    pub fn waiting(&self) -> usize {
        self.unacked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::NodeId;
    use contract::cluster::{Node, Owner, View};

    const PEER: Peer = Peer { node: NodeId(2), thread: 0 };

    fn say(outgoing: &mut Outgoing, number: u16) {
        outgoing.inward(1, Shard::of(number.into()), vec![number as u8]).unwrap();
    }

    #[test]
    fn what_is_not_acknowledged_is_said_again_and_what_is_another_s_goes_there() {
        let mut outgoing = Outgoing::default();
        (1..=4).for_each(|number| say(&mut outgoing, number));
        outgoing.acked(2);
        let again = outgoing.again(5);
        let numbers: Vec<u64> = again
            .iter()
            .map(|frame| match frame {
                Frame::Inward { number, view: 5, .. } => *number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, [5, 6]);
        let node = |number| Node { node: NodeId(number), ..Node::default() };
        let mut view = View { nodes: vec![node(2), node(3)], ..View::default() };
        view.owners = vec![Owner { node: Some(NodeId(2)), ..Owner::default() }; 10];
        view.owners[4].node = Some(NodeId(3));
        let gone = outgoing.misdirected(PEER, |shard| Peer::of_owner(&view, shard));
        assert_eq!(gone, [Undelivered { shard: Shard::of(4), bytes: vec![4] }]);
        assert_eq!(outgoing.waiting(), 1);
        outgoing.acked(u64::MAX);
        assert_eq!((outgoing.waiting(), outgoing.is_safe(6), outgoing.is_safe(7)), (0, true, false));
    }

    #[test]
    fn what_was_on_its_way_when_the_connection_broke_is_not_safe_by_what_comes_later() {
        let mut outgoing = Outgoing::default();
        let (first, second) = (outgoing.number(), outgoing.number());
        outgoing.acked(first);
        outgoing.cut();
        let third = outgoing.number();
        outgoing.acked(third);
        assert_eq!([first, second, third].map(|number| outgoing.is_safe(number)), [true, false, true]);
        outgoing.number();
        outgoing.cut();
        assert_eq!([first, second, third].map(|number| outgoing.is_safe(number)), [true, true, true]);
    }

    #[test]
    fn a_peer_that_never_acknowledges_holds_no_more_than_so_much() {
        let mut outgoing = Outgoing::default();
        let taken = (0..MOST + 5).filter(|_| outgoing.inward(1, Shard::of(0), Vec::new()).is_some()).count();
        assert_eq!((taken, outgoing.refused()), (MOST, 5));
    }
}
