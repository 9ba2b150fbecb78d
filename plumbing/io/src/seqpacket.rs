//! Connected Unix sockets that keep messages apart and can carry descriptors.

use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::descriptors::owned;
use crate::error::{Error, Result, check, moved};

/// The kernel passes no more descriptors in one message.
pub const MOST_DESCRIPTORS: usize = 253;

const KIND: libc::c_int = libc::SOCK_SEQPACKET | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
const ROOM: usize = 16 + MOST_DESCRIPTORS * size_of::<RawFd>() + 8;

/// Room for a control message with descriptors, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; ROOM]);

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message of so many bytes.
    Message(usize),
    /// There is none yet.
    Nothing,
    /// The other side is gone.
    Closed,
}

/// Who is at the other end of a connection, as the kernel vouches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// The user it acted as when it connected.
    pub user: u32,
}

/// One end of a connection.
#[derive(Debug)]
pub struct SeqSocket {
    fd: OwnedFd,
}

impl SeqSocket {
    /// Two connected ends.
    pub fn pair() -> Result<(Self, Self)> {
        let mut ends: [RawFd; 2] = [-1; 2];
        // SAFETY: the kernel writes two descriptors into `ends`.
        check("make", "a socket pair", unsafe {
            libc::socketpair(libc::AF_UNIX, KIND, 0, ends.as_mut_ptr())
        })?;
        // SAFETY: the call succeeded, so both are new and nobody else owns them.
        let [one, other] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        Ok((SeqSocket { fd: one }, SeqSocket { fd: other }))
    }

    /// Connects to the listener at `path`. It succeeds as soon as somebody holds the listening end, even before
    /// the connection is accepted.
    pub fn connect(path: &Path) -> Result<Self> {
        let operation = "connect to";
        let fd = socket(operation, path)?;
        let (address, len) = unix_address(operation, path)?;
        // SAFETY: pointer and length describe `address`.
        let result = unsafe { libc::connect(fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) };
        check(operation, path.display(), result)?;
        Ok(SeqSocket { fd })
    }

    /// Which process connected to our listener, and as which user. On the side that connected: who made the listener.
    pub fn peer(&self) -> Result<Peer> {
        let mut told = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut len = size_of::<libc::ucred>() as libc::socklen_t;
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        let fd = self.fd.as_raw_fd();
        // SAFETY: pointer and length describe `told`, which lives through the call.
        let result = unsafe { libc::getsockopt(fd, level, option, (&raw mut told).cast(), &mut len) };
        check("ask for the peer of", fd, result)?;
        Ok(Peer { pid: told.pid.unsigned_abs(), user: told.uid })
    }

    /// Sends a message with `descriptors`, of which the other side gets copies. False if the kernel
    /// takes no more for now: its buffer is full, or too many descriptors are on their way (then nobody tells when
    /// that is over).
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<bool> {
        let operation = "send to a Unix socket";
        if descriptors.len() > MOST_DESCRIPTORS {
            let error = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(Error::of(operation, format_args!("{} descriptors", descriptors.len()), error));
        }
        let mut control = Control([0; ROOM]);
        let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: msghdr is plain data, for which all zeros is a value.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = &mut piece;
        message.msg_iovlen = 1;
        if !descriptors.is_empty() {
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = enclose(&mut control, descriptors) as _;
        }
        // SAFETY: the message describes `bytes` and `control`, which live through the call.
        let result = unsafe { libc::sendmsg(self.fd.as_raw_fd(), &message, libc::MSG_NOSIGNAL) };
        // So many descriptors of this user are on their way that the kernel takes no more until some have arrived.
        if result < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ETOOMANYREFS) {
            return Ok(false);
        }
        Ok(moved(operation, self.fd.as_raw_fd(), result)?.is_some())
    }

    /// Receives a message into `buffer`, and adds the descriptors that came with it to `descriptors`. What does
    /// not fit the buffer is an error.
    pub fn receive(&self, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<Received> {
        let operation = "receive from a Unix socket";
        let mut control = Control([0; ROOM]);
        let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: msghdr is plain data, for which all zeros is a value.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = &mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = ROOM as _;
        // SAFETY: the message describes `buffer` and `control`, which live through the call.
        let result = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
        let received = match moved(operation, self.fd.as_raw_fd(), result) {
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(Received::Closed),
            Err(error) => return Err(error),
        };
        unpack(&message, descriptors);
        if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
            let error = std::io::Error::from(std::io::ErrorKind::InvalidData);
            return Err(Error::of(operation, "a message that does not fit", error));
        }
        Ok(match received {
            None => Received::Nothing,
            Some(0) => Received::Closed,
            Some(len) => Received::Message(len),
        })
    }
}

/// Writes the control message that carries `descriptors`; returns its length.
fn enclose(control: &mut Control, descriptors: &[BorrowedFd<'_>]) -> usize {
    let bytes = size_of_val(descriptors) as libc::c_uint;
    // SAFETY: the room holds a header (16 bytes) and as many descriptors as the caller has checked, and is
    // aligned for both; the macros compute places within it.
    unsafe {
        let header = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
        (*header).cmsg_len = libc::CMSG_LEN(bytes) as _;
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        let mut place = libc::CMSG_DATA(header).cast::<RawFd>();
        for descriptor in descriptors {
            place.write_unaligned(descriptor.as_raw_fd());
            place = place.add(1);
        }
        libc::CMSG_SPACE(bytes) as usize
    }
}

/// Takes the descriptors out of a received message.
fn unpack(message: &libc::msghdr, descriptors: &mut Vec<OwnedFd>) {
    // SAFETY: the kernel filled the control buffer and set its length; the macros stay within it. Each
    // descriptor in it was made for this process by this call, so nobody else owns it.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if ((*header).cmsg_level, (*header).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let place = libc::CMSG_DATA(header).cast::<RawFd>();
                for number in 0..bytes / size_of::<RawFd>() {
                    descriptors.push(OwnedFd::from_raw_fd(place.add(number).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

/// A listening end.
#[derive(Debug)]
pub struct SeqListener {
    fd: OwnedFd,
}

impl SeqListener {
    /// Listens at `path`, where no file may be.
    pub fn bind(path: &Path) -> Result<Self> {
        let operation = "listen at";
        let fd = socket(operation, path)?;
        let (address, len) = unix_address(operation, path)?;
        // SAFETY: pointer and length describe `address`.
        let result = unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) };
        check(operation, path.display(), result)?;
        // SAFETY: a plain call on a descriptor that we own.
        check(operation, path.display(), unsafe { libc::listen(fd.as_raw_fd(), 128) })?;
        Ok(SeqListener { fd })
    }

    /// The next connection; `None` if there is none.
    pub fn accept(&self) -> Result<Option<SeqSocket>> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = self.fd.as_raw_fd();
        // SAFETY: null pointers say that we don't ask for the address.
        let result = unsafe { libc::accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), flags) };
        let accepted = moved("accept on a Unix socket", fd, result as isize)?;
        // SAFETY: the call succeeded, so the descriptor is new and nobody else owns it.
        Ok(accepted.map(|_| SeqSocket { fd: unsafe { OwnedFd::from_raw_fd(result) } }))
    }
}

fn socket(operation: &'static str, path: &Path) -> Result<OwnedFd> {
    // SAFETY: makes a descriptor of constants.
    owned(operation, path.display(), unsafe { libc::socket(libc::AF_UNIX, KIND, 0) })
}

fn unix_address(operation: &'static str, path: &Path) -> Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: sockaddr_un is plain data, for which all zeros is a value.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= address.sun_path.len() {
        let error = std::io::Error::from(std::io::ErrorKind::InvalidFilename);
        return Err(Error::of(operation, path.display(), error));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (place, &byte) in address.sun_path.iter_mut().zip(bytes) {
        *place = byte as libc::c_char;
    }
    let len = std::mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    Ok((address, len as libc::socklen_t))
}

macro_rules! wraps_a_descriptor {
    ($name:ident) => {
        impl From<OwnedFd> for $name {
            /// A socket that somebody else made.
            fn from(fd: OwnedFd) -> Self {
                $name { fd }
            }
        }

        impl From<$name> for OwnedFd {
            fn from(socket: $name) -> Self {
                socket.fd
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.fd.as_fd()
            }
        }
    };
}

wraps_a_descriptor!(SeqSocket);
wraps_a_descriptor!(SeqListener);
