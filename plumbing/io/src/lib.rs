//! Batched sockets, descriptor passing, mapped memory: all unsafe code lives here.
//!
//! Everything is nonblocking unless it says otherwise, and speaks in values: a call that would have to wait
//! returns `None` (or says how much it did), an error names the operation and what it was about.

#![allow(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod address;
mod clock;
mod descriptors;
mod error;
mod inbox;
mod interface;
mod map;
mod outbound;
mod poll;
mod process;
mod seqpacket;
mod shroud;
mod signals;
mod spawn;
mod tcp;
mod thread;
mod timer;
mod udp;
mod wire;

pub use clock::Clock;
pub use descriptors::{inherit, is_open, memory_file, take_inherited};
pub use error::{Error, Result};
pub use inbox::{Datagram, Inbox};
pub use interface::{add_address, announce_address, remove_address};
pub use map::{Counters, MappedFile, ReadMap};
pub use outbound::{Flushed, Outbound};
pub use poll::{Event, Events, Interest, Poller, Waker};
pub use process::{Exit, Pidfd, acting_user, bury_strangers, process_cpu_time, thread_cpu_time};
pub use seqpacket::{MOST_DESCRIPTORS, Peer, Received, SeqListener, SeqSocket};
pub use shroud::{SHROUD, shroud};
pub use signals::{Signal, Signals};
pub use spawn::{Bond, CONTROL, spawn};
pub use tcp::{Listener, Stream};
pub use thread::{come_first, pin_to, sleep_precisely, stand_in_line, start_thread};
pub use timer::Timer;
pub use udp::{UdpOptions, UdpSocket};
pub use wire::Wire;
