//! From what was seen of the servers: which one writes, and how far each replica is.
//!
//! The writer is the one that is not in recovery; of several, the one with the highest timeline, for each
//! promotion begins a new one: a primary that comes back after another was promoted is not heard.
//!
//! How far a replica is, is told in our own time: it has all that the writer had at the moment when we last
//! asked the writer and were told a position that the replica has reached. No clock of a server is read.

use std::collections::VecDeque;
use std::time::Instant;

/// So many positions of the writer are remembered.
const POSITIONS: usize = 256;

/// What was seen of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// It takes writes.
    Writer {
        /// Rises with each promotion.
        timeline: i64,
        /// How far its log is written.
        written: i64,
        /// When it was asked.
        asked: Instant,
    },
    /// It follows.
    Replica {
        /// How far it has followed.
        replayed: i64,
    },
}

#[derive(Debug)]
pub(super) struct Seats {
    seen: Vec<Option<Sighting>>,
    writer: Option<usize>,
    last_writer: Option<usize>,
    newest: i64,
    positions: VecDeque<(Instant, i64)>,
}

impl Seats {
    pub(super) fn new(servers: usize) -> Self {
        Seats {
            seen: vec![None; servers],
            writer: None,
            last_writer: None,
            newest: 0,
            positions: VecDeque::new(),
        }
    }

    pub(super) fn saw(&mut self, server: usize, sighting: Sighting) {
        self.seen[server] = Some(sighting);
        self.choose();
        if let Sighting::Writer { written, asked, .. } = sighting
            && self.writer == Some(server)
        {
            if self.positions.len() == POSITIONS {
                self.positions.pop_front();
            }
            self.positions.push_back((asked, written));
        }
    }

    pub(super) fn lost(&mut self, server: usize) {
        self.seen[server] = None;
        self.choose();
    }

    /// Who writes.
    pub(super) fn writer(&self) -> Option<usize> {
        self.writer
    }

    /// Whether the writer before `server` was another one.
    pub(super) fn was_another(&mut self, server: usize) -> bool {
        self.last_writer.replace(server).is_some_and(|last| last != server)
    }

    /// Why a server that is there has no seat.
    pub(super) fn refusal(&self, server: usize) -> Option<&'static str> {
        match self.seen[server] {
            Some(Sighting::Writer { timeline, .. }) if timeline < self.newest => {
                Some("another was promoted since it was the primary")
            }
            _ => None,
        }
    }

    /// The replica that is farthest, if it has all that was written until `not_before`, and until `oldest`.
    pub(super) fn replica(&self, not_before: Option<Instant>, oldest: Option<Instant>) -> Option<usize> {
        let reached = (0..self.seen.len()).filter_map(|server| Some((self.reached(server)?, server)));
        let (reached, server) = reached.max()?;
        let enough = |wanted: Option<Instant>| wanted.is_none_or(|wanted| reached >= wanted);
        (enough(not_before) && enough(oldest)).then_some(server)
    }

    /// How far the best replica is behind the last position that we know of the writer.
    pub(super) fn lag(&self) -> Option<std::time::Duration> {
        let best = (0..self.seen.len()).filter_map(|server| self.reached(server)).max()?;
        Some(self.positions.back()?.0.saturating_duration_since(best))
    }

    /// Until when a replica has all that was written.
    fn reached(&self, server: usize) -> Option<Instant> {
        let Some(Sighting::Replica { replayed }) = self.seen[server] else { return None };
        let behind = self.positions.iter().rev().find(|(_, written)| *written <= replayed);
        behind.map(|(asked, _)| *asked)
    }

    fn choose(&mut self) {
        let timeline = |server: usize| match self.seen[server] {
            Some(Sighting::Writer { timeline, .. }) => Some(timeline),
            _ => None,
        };
        // The one that writes goes on as long as nobody was promoted since.
        let newest = (0..self.seen.len())
            .filter_map(|server| Some((timeline(server)?, self.writer == Some(server), server)))
            .max();
        let chosen = newest.filter(|(timeline, ..)| *timeline >= self.newest);
        let writer = chosen.map(|(_, _, server)| server);
        self.newest = chosen.map_or(self.newest, |(timeline, ..)| timeline);
        if writer.is_some() && writer != self.last_writer {
            // Another's log.
            self.positions.clear();
        }
        self.writer = writer;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Day(Instant);

    impl Day {
        fn at(&self, ms: u64) -> Instant {
            self.0 + Duration::from_millis(ms)
        }

        fn writer(&self, ms: u64, timeline: i64, written: i64) -> Sighting {
            Sighting::Writer { timeline, written, asked: self.at(ms) }
        }
    }

    #[test]
    fn who_comes_back_after_another_was_promoted_is_not_heard() {
        let day = Day(Instant::now());
        let mut seats = Seats::new(2);
        seats.saw(1, Sighting::Replica { replayed: 5 });
        assert_eq!(seats.writer(), None);
        seats.saw(0, day.writer(0, 1, 10));
        assert_eq!(seats.writer(), Some(0));
        assert!(!seats.was_another(0));
        seats.lost(0);
        assert_eq!(seats.writer(), None, "a replica does not write");
        seats.saw(1, day.writer(10, 2, 20));
        assert_eq!(seats.writer(), Some(1));
        assert!(seats.was_another(1));
        seats.saw(0, day.writer(20, 1, 99));
        assert_eq!(seats.writer(), Some(1));
        assert_eq!(seats.refusal(0), Some("another was promoted since it was the primary"));
        seats.lost(1);
        assert_eq!(seats.writer(), None, "rather nobody than the old one");
    }

    #[test]
    fn a_promotion_is_seen_before_the_old_primary_is_missed() {
        let day = Day(Instant::now());
        let mut seats = Seats::new(2);
        seats.saw(0, day.writer(0, 1, 10));
        seats.saw(1, day.writer(1, 2, 12));
        assert_eq!(seats.writer(), Some(1));
    }

    #[test]
    fn a_replica_answers_for_all_that_was_written_before_the_position_that_it_reached() {
        let day = Day(Instant::now());
        let mut seats = Seats::new(3);
        seats.saw(0, day.writer(0, 1, 100));
        seats.was_another(0);
        seats.saw(0, day.writer(250, 1, 200));
        seats.saw(0, day.writer(500, 1, 300));
        seats.saw(1, Sighting::Replica { replayed: 250 });
        assert_eq!(seats.replica(Some(day.at(250)), None), Some(1));
        assert_eq!(seats.replica(Some(day.at(251)), None), None, "a write after that may be missing");
        assert_eq!(seats.replica(None, Some(day.at(300))), None, "too far behind");
        assert_eq!(seats.lag(), Some(Duration::from_millis(250)));
        seats.saw(2, Sighting::Replica { replayed: 300 });
        assert_eq!(seats.replica(None, Some(day.at(300))), Some(2), "the farthest");
        seats.lost(2);
        assert_eq!(seats.replica(None, None), Some(1));
    }
}
