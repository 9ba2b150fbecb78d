//! A buffer between the network, which is uneven, and the ear, which is not.

use std::collections::BTreeMap;

/// Over so many frames the buffer looks whether it could be shorter.
const REVIEW: u32 = 250;
/// After so many frames without any packet the talk spurt is over.
const GIVE_UP: u32 = 10;
/// So many packets in a row ...
const ANEW: u8 = 3;
/// ... that come this far behind are not late: the numbers began anew.
const FAR: u64 = 100;

/// What to play now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Played {
    /// This payload.
    Frame(Vec<u8>),
    /// Something like what was played before: a packet is lost or late.
    Conceal,
    /// Nothing: nobody talks yet, or the buffer is still filling.
    Silence,
}

/// Puts packets in order, and gives one frame at each tick of the player's clock. It holds back `depth`
/// frames; when packets come too late it holds back one more, when there is always too much one less,
/// between `least` and `most`.
#[derive(Clone, Debug)]
pub struct Playout {
    frames: BTreeMap<u64, Vec<u8>>,
    /// The newest number heard, extended over its wraps.
    newest: Option<u64>,
    /// The number to play next; `None` while filling.
    next: Option<u64>,
    /// What lies below was played, or given up.
    floor: u64,
    /// Packets in a row that came far behind.
    behind: u8,
    depth: usize,
    least: usize,
    most: usize,
    /// Frames to wait so that the depth grows.
    stretch: usize,
    starved: u32,
    ticks: u32,
    /// The fewest frames there were since the last review.
    spare: usize,
    late: u64,
}

impl Playout {
    /// A buffer that always holds back `depth` frames.
    pub fn fixed(depth: usize) -> Self {
        Self::adaptive(depth, depth)
    }

    /// A buffer that holds back `least` to `most` frames.
    pub fn adaptive(least: usize, most: usize) -> Self {
        let least = least.max(1);
        Playout {
            frames: BTreeMap::new(),
            newest: None,
            next: None,
            floor: 0,
            behind: 0,
            depth: least,
            least,
            most: most.max(least),
            stretch: 0,
            starved: 0,
            ticks: 0,
            spare: usize::MAX,
            late: 0,
        }
    }

    /// A packet came. Duplicates and what is too late are dropped. When the numbers began anew, or packets
    /// flood beyond four times the greatest depth, it starts afresh.
    pub fn put(&mut self, sequence: u16, payload: &[u8]) {
        let number = self.extend(sequence);
        if number < self.floor {
            self.late += 1;
            return self.too_late(number, payload);
        }
        self.behind = 0;
        self.newest = self.newest.max(Some(number));
        self.frames.entry(number).or_insert_with(|| payload.to_vec());
        if self.frames.len() > self.most * 4 {
            self.restart(number);
        }
    }

    fn too_late(&mut self, number: u64, payload: &[u8]) {
        if number + FAR > self.floor {
            if self.next.is_some() {
                self.deepen();
            }
            return;
        }
        self.behind += 1;
        if self.behind == ANEW {
            self.restart(number);
            self.frames.insert(number, payload.to_vec());
        }
    }

    /// The next frame; to be called once in each frame's time.
    pub fn take(&mut self) -> Played {
        let Some(next) = self.next.or_else(|| self.begin()) else { return Played::Silence };
        self.review();
        if self.stretch > 0 {
            self.stretch -= 1;
            return Played::Conceal;
        }
        if let Some(frame) = self.frames.remove(&next) {
            self.starved = 0;
            self.advance(next + 1);
            return Played::Frame(frame);
        }
        if !self.frames.is_empty() {
            self.advance(next + 1);
            return Played::Conceal;
        }
        self.starved += 1;
        if self.starved > GIVE_UP {
            self.starved = 0;
            self.next = None;
            return Played::Silence;
        }
        Played::Conceal
    }

    /// How many frames it holds back now.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many packets came too late to be played.
    pub fn late(&self) -> u64 {
        self.late
    }

    fn begin(&mut self) -> Option<u64> {
        if self.frames.len() < self.depth {
            return None;
        }
        self.next = self.frames.first_key_value().map(|(&number, _)| number);
        (self.ticks, self.spare) = (0, usize::MAX);
        self.next
    }

    fn extend(&self, sequence: u16) -> u64 {
        // Begin high, so that a packet before the first is no wrap.
        let Some(newest) = self.newest else { return u64::from(sequence) + (1 << 32) };
        let delta = sequence.wrapping_sub(newest as u16) as i16;
        newest.wrapping_add_signed(i64::from(delta))
    }

    fn restart(&mut self, number: u64) {
        self.frames.retain(|&held, _| held == number);
        self.newest = Some(number);
        self.next = None;
        (self.floor, self.behind, self.stretch) = (number, 0, 0);
    }

    fn advance(&mut self, next: u64) {
        self.next = Some(next);
        self.floor = next;
    }

    fn deepen(&mut self) {
        if self.depth < self.most {
            self.depth += 1;
            self.stretch += 1;
        }
    }

    /// Plays a frame less when there were always more than are wanted.
    fn review(&mut self) {
        self.ticks += 1;
        self.spare = self.spare.min(self.frames.len());
        if self.ticks < REVIEW {
            return;
        }
        if self.spare > self.depth || (self.spare >= 2 && self.depth > self.least) {
            self.depth = self.depth.saturating_sub(1).max(self.least);
            if let Some((number, _)) = self.frames.pop_first() {
                self.advance(number + 1);
            }
        }
        (self.ticks, self.spare) = (0, usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u16) -> Played {
        Played::Frame(number.to_be_bytes().to_vec())
    }

    fn put(playout: &mut Playout, numbers: impl IntoIterator<Item = u16>) {
        numbers.into_iter().for_each(|number| playout.put(number, &number.to_be_bytes()));
    }

    fn take(playout: &mut Playout, count: usize) -> Vec<Played> {
        (0..count).map(|_| playout.take()).collect()
    }

    #[test]
    fn it_fills_before_it_plays_and_plays_in_order() {
        let mut playout = Playout::fixed(3);
        put(&mut playout, [65_534, 0]);
        assert_eq!(playout.take(), Played::Silence);
        put(&mut playout, [65_535, 1, 1]);
        assert_eq!(take(&mut playout, 4), [frame(65_534), frame(65_535), frame(0), frame(1)]);
    }

    #[test]
    fn a_lost_packet_is_concealed() {
        let mut playout = Playout::fixed(2);
        put(&mut playout, [1, 2, 4]);
        assert_eq!(take(&mut playout, 4), [frame(1), frame(2), Played::Conceal, frame(4)]);
    }

    #[test]
    fn a_packet_that_comes_too_late_deepens_the_buffer() {
        let mut playout = Playout::adaptive(1, 3);
        put(&mut playout, [1, 3]);
        assert_eq!(take(&mut playout, 2), [frame(1), Played::Conceal]);
        put(&mut playout, [2]);
        assert_eq!((playout.depth(), playout.late()), (2, 1));
        put(&mut playout, [4]);
        assert_eq!(take(&mut playout, 3), [Played::Conceal, frame(3), frame(4)]);
    }

    #[test]
    fn a_calm_network_makes_it_shallow_again() {
        let mut playout = Playout::adaptive(1, 5);
        put(&mut playout, [0, 2]);
        take(&mut playout, 2);
        put(&mut playout, [1]);
        assert_eq!(playout.depth(), 2);
        for number in 3..1003 {
            put(&mut playout, [number]);
            playout.take();
        }
        assert_eq!(playout.depth(), 1);
    }

    #[test]
    fn silence_follows_when_nothing_comes_any_more_and_the_next_spurt_fills_again() {
        let mut playout = Playout::fixed(2);
        put(&mut playout, [1, 2]);
        let played = take(&mut playout, 14);
        assert_eq!(played.iter().filter(|it| **it == Played::Conceal).count(), GIVE_UP as usize);
        assert_eq!(played.last(), Some(&Played::Silence));
        put(&mut playout, [3]);
        assert_eq!(playout.take(), Played::Silence);
        put(&mut playout, [4]);
        assert_eq!(playout.take(), frame(3));
    }

    #[test]
    fn numbers_that_begin_anew_are_played_after_a_few() {
        let mut playout = Playout::fixed(1);
        put(&mut playout, [20_000]);
        assert_eq!(playout.take(), frame(20_000));
        put(&mut playout, [5, 6, 7, 8]);
        assert_eq!(take(&mut playout, 2), [frame(7), frame(8)]);
    }

    #[test]
    fn what_was_played_is_not_played_again_after_a_silence() {
        let mut playout = Playout::fixed(1);
        put(&mut playout, [7]);
        take(&mut playout, 20);
        put(&mut playout, [7]);
        assert_eq!(playout.take(), Played::Silence);
        put(&mut playout, [8]);
        assert_eq!(playout.take(), frame(8));
    }

    #[test]
    fn an_uneven_network_is_learnt() {
        // Every packet up to 70 ms late, in no pattern.
        let (mut state, mut arrivals) = (1u32, Vec::new());
        for number in 0..3000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            arrivals.push((number * 20 + (state >> 16) % 70, number as u16));
        }
        arrivals.sort_unstable();
        let (mut playout, mut arrivals) = (Playout::adaptive(1, 10), arrivals.into_iter().peekable());
        let mut concealed = 0;
        for tick in 0..3000u32 {
            while let Some((_, number)) = arrivals.next_if(|arrival| arrival.0 <= tick * 20) {
                playout.put(number, &[]);
            }
            concealed += u32::from(playout.take() == Played::Conceal && tick > 500);
        }
        assert!(concealed < 25, "{concealed} of 2500 concealed");
        assert!((3..=6).contains(&playout.depth()), "{}", playout.depth());
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut playout = Playout::fixed(2);
        put(&mut playout, 0..1000);
        assert!(playout.frames.len() <= 8);
        put(&mut playout, 1000..1003);
        assert!(matches!(playout.take(), Played::Frame(_)));
    }
}
