//! Sending many datagrams at once.

use std::mem::zeroed;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use crate::address::{CONTROL_ROOM, Control, blank, leave_from, write};
use crate::error::Error;

/// What became of the datagrams.
#[derive(Debug, Default)]
pub struct Flushed {
    /// How many left.
    pub sent: usize,
    /// How many the kernel refused; they are gone.
    pub refused: usize,
    /// How many are still here, since the kernel's buffer is full.
    pub left: usize,
    /// Why the last one was refused.
    pub error: Option<Error>,
}

struct Letter {
    bytes: Range<usize>,
    to: SocketAddr,
    from: Option<IpAddr>,
}

/// Datagrams that wait to be sent together through one socket.
#[derive(Default)]
pub struct Outbound {
    bytes: Vec<u8>,
    letters: Vec<Letter>,
    done: usize,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    pieces: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers in `pieces` and `messages` are written anew in each flush and used only there, by
// whoever holds &mut self.
unsafe impl Send for Outbound {}

/// As many as the kernel takes at once.
const MOST: usize = 1024;

impl Outbound {
    /// Nothing to send.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a datagram that leaves from the socket's own address, or on a wildcard bind from `from`.
    pub fn push(&mut self, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>) {
        self.push_with(to, from, |arena| arena.extend_from_slice(bytes));
    }

    /// The same, writing its bytes behind those already in the arena.
    pub fn push_with(&mut self, to: SocketAddr, from: Option<IpAddr>, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        fill(&mut self.bytes);
        self.letters.push(Letter { bytes: start..self.bytes.len().max(start), to, from });
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.letters.len() - self.done
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends them in order. What the kernel refuses is dropped and counted; what it can't take now stays.
    pub fn flush(&mut self, socket: impl AsFd) -> Flushed {
        let fd = socket.as_fd().as_raw_fd();
        let mut flushed = Flushed::default();
        while !self.is_empty() {
            self.address();
            // SAFETY: `address` made every message describe a name, a piece and maybe a control buffer in the
            // vectors beside it, none of which changes before the call returns.
            let result = unsafe {
                let count = self.messages.len() as libc::c_uint;
                libc::sendmmsg(
                    fd,
                    self.messages.as_mut_ptr(),
                    count,
                    (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
                )
            };
            if result > 0 {
                self.done += result as usize;
                flushed.sent += result as usize;
                continue;
            }
            let error = std::io::Error::last_os_error();
            match error.kind() {
                std::io::ErrorKind::Interrupted => {}
                std::io::ErrorKind::WouldBlock => break,
                _ => {
                    // The first of the batch is refused; those behind it are tried again.
                    flushed.refused += 1;
                    flushed.error = Some(Error::of("send UDP to", self.letters[self.done].to, error));
                    self.done += 1;
                }
            }
        }
        flushed.left = self.len();
        if flushed.left == 0 {
            self.clear();
        }
        flushed
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.letters.clear();
        self.done = 0;
    }

    /// Describes what waits to the kernel.
    fn address(&mut self) {
        let waiting = &self.letters[self.done..];
        let count = waiting.len().min(MOST);
        self.names.resize(count.max(self.names.len()), blank());
        self.controls.resize(count.max(self.controls.len()), Control([0; CONTROL_ROOM]));
        self.pieces.clear();
        self.messages.clear();
        for letter in &waiting[..count] {
            let bytes = &self.bytes[letter.bytes.clone()];
            self.pieces
                .push(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
        }
        for (number, letter) in waiting[..count].iter().enumerate() {
            // SAFETY: mmsghdr is plain data, for which all zeros is a value.
            let mut message: libc::mmsghdr = unsafe { zeroed() };
            message.msg_hdr.msg_namelen = write(&letter.to, &mut self.names[number]);
            message.msg_hdr.msg_name = std::ptr::from_mut(&mut self.names[number]).cast();
            message.msg_hdr.msg_iov = &mut self.pieces[number];
            message.msg_hdr.msg_iovlen = 1;
            if let Some(from) = letter.from.filter(|from| from.is_ipv4() == letter.to.is_ipv4()) {
                message.msg_hdr.msg_controllen = leave_from(from, &mut self.controls[number]) as _;
                message.msg_hdr.msg_control = self.controls[number].0.as_mut_ptr().cast();
            }
            self.messages.push(message);
        }
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbound({} datagrams)", self.len())
    }
}
