//! Receiving many datagrams at once.

use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};

use crate::address::{CONTROL_ROOM, Control, Told, blank, find_told, read};
use crate::error::{Result, moved};

/// A datagram where it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What came.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub source: SocketAddr,
    /// Which address of ours it was sent to, if the socket tells.
    pub destination: Option<IpAddr>,
    /// Whether there was more than the room for one datagram.
    pub truncated: bool,
}

/// Room for many datagrams, used over and over, for any number of sockets in turn.
pub struct Inbox {
    size: usize,
    /// From one datagram's room to the next one's.
    stride: usize,
    buffer: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
    // Kept alive because `messages` point into it.
    _pieces: Box<[libc::iovec]>,
    messages: Box<[libc::mmsghdr]>,
    count: usize,
}

/// A line of the processor's caches, in bytes.
const LINE: usize = 64;
/// So many lines lie between two datagrams besides their room: rooms of 64 KiB would all begin in the same set of
/// the cache, and the datagrams of a batch would drive each other out.
const APART: usize = 13;

// SAFETY: the raw pointers in `pieces` and `messages` point into the boxes beside them, which move with the
// value (their heap memory stays where it is), and are used only through &mut self.
unsafe impl Send for Inbox {}

impl Inbox {
    /// Room for `most` datagrams of up to `size` bytes each.
    pub fn new(most: usize, size: usize) -> Self {
        let stride = size.next_multiple_of(LINE) + APART * LINE;
        let mut buffer = vec![0; most * stride].into_boxed_slice();
        let mut names = vec![blank(); most].into_boxed_slice();
        let mut controls = vec![Control([0; CONTROL_ROOM]); most].into_boxed_slice();
        let mut pieces: Box<[libc::iovec]> = buffer
            .chunks_mut(stride)
            .map(|chunk| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: size })
            .collect();
        let messages = (0..pieces.len())
            .map(|number| {
                // SAFETY: mmsghdr is plain data, for which all zeros is a value.
                let mut message: libc::mmsghdr = unsafe { zeroed() };
                message.msg_hdr.msg_iov = &mut pieces[number];
                message.msg_hdr.msg_iovlen = 1;
                message.msg_hdr.msg_name = std::ptr::from_mut(&mut names[number]).cast();
                message.msg_hdr.msg_control = controls[number].0.as_mut_ptr().cast();
                renew(&mut message);
                message
            })
            .collect();
        Inbox { size, stride, buffer, names, controls, _pieces: pieces, messages, count: 0 }
    }

    /// Receives what has arrived at `socket`, over whatever was here before. Zero if there is nothing.
    pub fn receive(&mut self, socket: impl AsFd) -> Result<usize> {
        self.messages[..self.count].iter_mut().for_each(renew);
        self.count = 0;
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: every message describes a name, a control buffer and one piece of the arena, all of which
        // live in this value and are not used otherwise during the call.
        let result = unsafe {
            libc::recvmmsg(
                fd,
                self.messages.as_mut_ptr(),
                self.messages.len() as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        self.count = moved("receive UDP on", fd, result as isize)?.unwrap_or(0);
        Ok(self.count)
    }

    /// How many were received last.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing was received.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many it can receive at once.
    pub fn room(&self) -> usize {
        self.messages.len()
    }

    /// Datagram `number` of those received last; `None` beyond them.
    pub fn get(&self, number: usize) -> Option<Datagram<'_>> {
        let message = self.messages[..self.count].get(number)?;
        let start = number * self.stride;
        Some(Datagram {
            bytes: &self.buffer[start..start + (message.msg_len as usize).min(self.size)],
            source: read(&self.names[number])?,
            destination: find_told(&message.msg_hdr, |told| match told {
                Told::Destination(ip) => Some(ip),
                Told::Arrival(_) => None,
            }),
            truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        })
    }

    /// How long the oldest of those received last had waited in the kernel, if the socket tells
    /// ([`crate::UdpOptions::arrival`]). A time of day that was set meanwhile makes it wrong, once.
    pub fn waited(&self) -> Option<Duration> {
        let first = self.messages[..self.count].first()?;
        let came = find_told(&first.msg_hdr, |told| match told {
            Told::Arrival(at) => Some(at),
            Told::Destination(_) => None,
        })?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(now.saturating_sub(came))
    }

    /// The bytes of datagram `number`, to work on in place.
    pub fn bytes_mut(&mut self, number: usize) -> &mut [u8] {
        let len = self.messages[..self.count].get(number).map_or(0, |message| message.msg_len as usize);
        &mut self.buffer[number * self.stride..][..len.min(self.size)]
    }

    /// All that were received last.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        (0..self.count).filter_map(|number| self.get(number))
    }
}

/// The kernel wrote how long name and control were; says again how long they may be.
fn renew(message: &mut libc::mmsghdr) {
    message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_hdr.msg_controllen = CONTROL_ROOM as _;
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inbox({} of {} datagrams, {} controls)", self.count, self.room(), self.controls.len())
    }
}
