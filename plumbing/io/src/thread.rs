//! Threads with a name and a place.

use std::mem::{size_of, zeroed};
use std::thread::JoinHandle;

use crate::error::{Error, Result, check};

/// Starts a thread whose name (at most 15 bytes are shown) the system's tools show.
pub fn start_thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(run).map_err(|error| Error::of("start thread", name, error))
}

/// From now on the calling thread wakes when its sleep is over, not up to 50 µs later (by which the kernel spares
/// itself wakings).
pub fn sleep_precisely() {
    // SAFETY: sets a number of the calling thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// From now on the calling thread comes before those of usual priority, if the system allows that; whether it does.
pub fn come_first() -> bool {
    // SAFETY: sets a number of the calling thread, which Linux takes zero for.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) == 0 }
}

/// From now on the calling thread is one of usual priority again.
pub fn stand_in_line() {
    // SAFETY: sets a number of the calling thread, which Linux takes zero for; it may always be less urgent.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) };
}

/// Keeps the calling thread on these processors.
pub fn pin_to(processors: &[usize]) -> Result<()> {
    let most = libc::CPU_SETSIZE as usize;
    // SAFETY: cpu_set_t is plain data, for which all zeros is the empty set; CPU_SET gets no number beyond it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        for &processor in processors.iter().filter(|&&processor| processor < most) {
            libc::CPU_SET(processor, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    check("pin thread to", format_args!("processors {processors:?}"), result)?;
    Ok(())
}
