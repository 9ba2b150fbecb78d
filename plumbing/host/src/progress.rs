//! The heartbeat of a worker's threads, on a page that its supervisor sees.
//!
//! Counter 0 says how many threads have come so far; each has a counter of its own behind it. A thread that
//! does not count up for a while is taken to hang, unless it has left. The last counter says whether the worker has
//! taken everything up: whoever adopts it did not hear it say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strowger_io::Counters;

/// How often a thread must count up even if it has nothing to do.
pub const BEAT: Duration = Duration::from_millis(100);
const LEFT: u64 = u64::MAX;
/// The counter that says whether the worker is ready.
const READY: usize = Counters::COUNT - 1;

/// A worker's page of heartbeats.
#[derive(Clone, Debug)]
pub struct Progress {
    page: Arc<Counters>,
}

impl Progress {
    pub(crate) fn over(page: Counters) -> Self {
        Progress { page: Arc::new(page) }
    }

    /// Watches one more thread from now on: it must [`Beat::tick`] at least each 100 ms. At most 510 threads.
    pub fn watch(&self) -> Beat {
        let number = self.page.at(0).fetch_add(1, Ordering::Relaxed) as usize + 1;
        Beat { page: Arc::clone(&self.page), number }
    }

    /// The worker has taken everything up.
    pub(crate) fn ready(&self) {
        self.page.at(READY).store(1, Ordering::Relaxed);
    }
}

/// The heartbeat of one thread. When it is dropped the thread has left, except by a panic: then it counts as
/// hanging, since a worker without that thread is of no use.
#[derive(Debug)]
pub struct Beat {
    page: Arc<Counters>,
    number: usize,
}

impl Beat {
    /// The thread is alive.
    pub fn tick(&self) {
        self.counter().fetch_add(1, Ordering::Relaxed);
    }

    fn counter(&self) -> &AtomicU64 {
        self.page.at(self.number)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.counter().store(LEFT, Ordering::Relaxed);
        }
    }
}

/// The supervisor's view: for how many looks each counter has stood still.
#[derive(Debug)]
pub(crate) struct Watch {
    page: Counters,
    seen: Vec<(u64, u32)>,
}

impl Watch {
    pub(crate) fn over(page: Counters) -> Self {
        Watch { page, seen: Vec::new() }
    }

    /// Whether the worker has taken everything up.
    pub(crate) fn is_ready(&self) -> bool {
        self.page.at(READY).load(Ordering::Relaxed) != 0
    }

    /// Looks at all counters. If one has stood still for `patience` looks, its number (from 1).
    ///
    /// Looks are counted rather than time: if the whole machine was stopped, nobody hangs.
    pub(crate) fn look(&mut self, patience: u32) -> Option<usize> {
        let threads = (self.page.at(0).load(Ordering::Relaxed) as usize).min(READY - 1);
        self.seen.resize(threads, (0, 0));
        let (page, seen) = (&self.page, &mut self.seen);
        seen.iter_mut().enumerate().find_map(|(number, (last, still))| {
            let now = page.at(number + 1).load(Ordering::Relaxed);
            *still = if now == *last && now != LEFT { *still + 1 } else { 0 };
            *last = now;
            (*still >= patience).then_some(number + 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_thread_hangs_when_its_counter_stands_still_and_it_has_not_left() {
        let page = Counters::new().unwrap();
        let progress = Progress::over(Counters::over(page.as_fd().try_clone_to_owned().unwrap()).unwrap());
        let mut watch = Watch::over(page);
        assert_eq!(watch.look(1), None, "nobody is watched");
        let (first, second) = (progress.watch(), progress.watch());
        for _ in 0..5 {
            first.tick();
            second.tick();
            assert_eq!(watch.look(2), None);
        }
        first.tick();
        assert_eq!(watch.look(2), None);
        first.tick();
        assert_eq!(watch.look(2), Some(2));
        drop(second);
        first.tick();
        assert_eq!(watch.look(2), None);
        let died = std::thread::spawn(move || {
            let beat = first;
            beat.tick();
            std::panic::resume_unwind(Box::new(()));
        });
        drop(died.join());
        assert_eq!((watch.look(2), watch.look(2), watch.look(2)), (None, None, Some(1)));
    }
}
