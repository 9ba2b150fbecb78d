//! UDP sockets.

use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::address::{blank, domain, free_option, read, to_raw};
use crate::descriptors::{owned, set_option};
use crate::error::{Error, Result, check, moved};

/// How a UDP socket is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOptions {
    /// Several sockets may be bound to the address; the kernel spreads the senders over them.
    pub reuse_port: bool,
    /// The address need not be this host's yet (Linux: IP_FREEBIND): it may come later.
    pub free: bool,
    /// Bytes the kernel holds for us before it drops datagrams; as many as it allows.
    pub receive_buffer: usize,
    /// Bytes it holds before we have to wait.
    pub send_buffer: usize,
    /// Whether each datagram comes with the address of ours that it was sent to.
    pub destination: bool,
    /// Whether the kernel notes when each datagram came, for [`crate::Inbox::waited`].
    pub arrival: bool,
    /// The traffic class (DSCP in the upper six bits) of what leaves, if not the default.
    pub traffic_class: Option<u8>,
}

impl Default for UdpOptions {
    fn default() -> Self {
        UdpOptions {
            reuse_port: false,
            free: false,
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            destination: false,
            arrival: false,
            traffic_class: None,
        }
    }
}

/// A bound UDP socket of one address family.
#[derive(Debug)]
pub struct UdpSocket {
    fd: OwnedFd,
}

impl UdpSocket {
    /// Binds a socket.
    pub fn bind(address: SocketAddr, options: &UdpOptions) -> Result<Self> {
        let operation = "bind UDP";
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: makes a descriptor of constants.
        let fd = owned(operation, address, unsafe { libc::socket(domain(&address), kind, 0) })?;
        let set = |level, option, value: libc::c_int| {
            check(operation, address, set_option(&fd, level, option, value)).map(drop)
        };
        if options.reuse_port {
            set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
            set(libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        if address.is_ipv6() {
            set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        if options.free {
            let (level, option) = free_option(&address);
            set(level, option, 1)?;
        }
        if options.destination {
            match address {
                SocketAddr::V4(_) => set(libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
                SocketAddr::V6(_) => set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?,
            }
        }
        if options.arrival {
            set(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        }
        if let Some(class) = options.traffic_class {
            match address {
                SocketAddr::V4(_) => set(libc::IPPROTO_IP, libc::IP_TOS, class.into())?,
                SocketAddr::V6(_) => set(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class.into())?,
            }
        }
        enlarge(&fd, [libc::SO_RCVBUFFORCE, libc::SO_RCVBUF], options.receive_buffer);
        enlarge(&fd, [libc::SO_SNDBUFFORCE, libc::SO_SNDBUF], options.send_buffer);
        let raw = to_raw(&address);
        // SAFETY: pointer and length describe `raw`.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&raw.storage).cast(), raw.len) };
        check(operation, address, bound)?;
        Ok(UdpSocket { fd })
    }

    /// The address it is bound to.
    pub fn local(&self) -> Result<SocketAddr> {
        local(&self.fd)
    }

    /// From now on the kernel holds so many bytes for us (but a datagram or two in any case) before it drops
    /// datagrams.
    pub fn hold_at_most(&self, bytes: usize) -> Result<()> {
        let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        let result = set_option(&self.fd, libc::SOL_SOCKET, libc::SO_RCVBUF, value);
        check("set the buffer of descriptor", self.fd.as_raw_fd(), result).map(drop)
    }

    /// Receives one datagram into `buffer`; `None` if there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr)>> {
        let mut storage = blank();
        let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        // SAFETY: pointers and lengths describe `buffer` and `storage`.
        let result = unsafe {
            libc::recvfrom(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
                std::ptr::from_mut(&mut storage).cast(),
                &mut len,
            )
        };
        let received = moved("receive UDP on", self.fd.as_raw_fd(), result)?;
        Ok(received.and_then(|len| Some((len, read(&storage)?))))
    }

    /// Sends one datagram; false if the kernel's buffer is full.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) -> Result<bool> {
        let raw = to_raw(&to);
        // SAFETY: pointers and lengths describe `bytes` and `raw`.
        let result = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
                std::ptr::from_ref(&raw.storage).cast(),
                raw.len,
            )
        };
        Ok(moved("send UDP to", to, result)?.is_some())
    }
}

/// Buffers are made as large as we are allowed: beyond the system's limit if the process may, else up to it.
fn enlarge(fd: &OwnedFd, options: [libc::c_int; 2], bytes: usize) {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    if set_option(fd, libc::SOL_SOCKET, options[0], value) < 0 {
        set_option(fd, libc::SOL_SOCKET, options[1], value);
    }
}

/// The address that a socket is bound to.
pub(crate) fn local(fd: &OwnedFd) -> Result<SocketAddr> {
    let mut storage = blank();
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let fd = fd.as_raw_fd();
    // SAFETY: pointer and length describe `storage`.
    let result = unsafe { libc::getsockname(fd, std::ptr::from_mut(&mut storage).cast(), &mut len) };
    check("ask the address of descriptor", fd, result)?;
    let unknown = || std::io::Error::from(std::io::ErrorKind::Unsupported);
    read(&storage).ok_or_else(|| Error::of("ask the address of descriptor", fd, unknown()))
}

impl From<OwnedFd> for UdpSocket {
    /// A socket that somebody else bound.
    fn from(fd: OwnedFd) -> Self {
        UdpSocket { fd }
    }
}

impl From<UdpSocket> for OwnedFd {
    fn from(socket: UdpSocket) -> Self {
        socket.fd
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
