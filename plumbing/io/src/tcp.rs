//! TCP listeners and connections that never wait.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::address::{domain, free_option, to_raw};
use crate::descriptors::{owned, set_option};
use crate::error::{Error, Result, check};

/// A listening TCP socket.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
}

impl Listener {
    /// Listens at `address`. With `reuse_port` several listeners share it, and the kernel spreads connections
    /// over them.
    pub fn bind(address: SocketAddr, reuse_port: bool) -> Result<Self> {
        Self::bind_to(address, reuse_port, false)
    }

    /// The same at an address that need not be this host's yet (Linux: IP_FREEBIND): it may come later.
    pub fn bind_free(address: SocketAddr, reuse_port: bool) -> Result<Self> {
        Self::bind_to(address, reuse_port, true)
    }

    fn bind_to(address: SocketAddr, reuse_port: bool, free: bool) -> Result<Self> {
        let operation = "listen on TCP";
        let fd = socket(operation, &address)?;
        let set = |level, option| check(operation, address, set_option(&fd, level, option, 1)).map(drop);
        set(libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
        if reuse_port {
            set(libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
        }
        if address.is_ipv6() {
            set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
        }
        if free {
            let (level, option) = free_option(&address);
            set(level, option)?;
        }
        bind(operation, &fd, &address)?;
        // SAFETY: a plain call on a descriptor that we own.
        check(operation, address, unsafe { libc::listen(fd.as_raw_fd(), 1024) })?;
        Ok(Listener { inner: fd.into() })
    }

    /// The address it listens at.
    pub fn local(&self) -> Result<SocketAddr> {
        self.inner.local_addr().map_err(|error| Error::of("ask the address of", "a TCP listener", error))
    }

    /// The next connection; `None` if there is none.
    pub fn accept(&self) -> Result<Option<(Stream, SocketAddr)>> {
        match self.inner.accept() {
            Ok((inner, peer)) => {
                let prepare = || inner.set_nonblocking(true).and_then(|()| inner.set_nodelay(true));
                prepare().map_err(|error| Error::of("accept TCP from", peer, error))?;
                Ok(Some((Stream { inner }, peer)))
            }
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => Err(Error::of("accept TCP on", self.inner.as_raw_fd(), error)),
        }
    }
}

/// Whether an error says no more than "not now" (a connection may be gone before it was accepted).
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted)
}

/// A TCP connection.
#[derive(Debug)]
pub struct Stream {
    inner: TcpStream,
}

impl Stream {
    /// Begins to connect. When the stream becomes writable, [`Stream::failure`] tells how it went.
    pub fn connect(to: SocketAddr, from: Option<SocketAddr>) -> Result<Self> {
        let operation = "connect TCP to";
        let fd = socket(operation, &to)?;
        if let Some(from) = from {
            bind(operation, &fd, &from)?;
        }
        let raw = to_raw(&to);
        // SAFETY: pointer and length describe `raw`.
        let result =
            unsafe { libc::connect(fd.as_raw_fd(), std::ptr::from_ref(&raw.storage).cast(), raw.len) };
        if result < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINPROGRESS) {
                return Err(Error::of(operation, to, error));
            }
        }
        let inner = TcpStream::from(fd);
        inner.set_nodelay(true).map_err(|error| Error::of(operation, to, error))?;
        Ok(Stream { inner })
    }

    /// Why the connection could not be made or broke, once.
    pub fn failure(&self) -> Option<io::Error> {
        self.inner.take_error().unwrap_or_else(Some)
    }

    /// Reads what is there; `None` if there is nothing yet, 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        passing((&self.inner).read(buffer))
    }

    /// Writes what fits now; `None` if nothing does.
    pub fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        passing((&self.inner).write(bytes))
    }

    /// Says that nothing more will be written.
    pub fn finish(&self) -> io::Result<()> {
        self.inner.shutdown(std::net::Shutdown::Write)
    }

    /// The other side's address.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Our own address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

fn passing(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn socket(operation: &'static str, address: &SocketAddr) -> Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: makes a descriptor of constants.
    owned(operation, address, unsafe { libc::socket(domain(address), kind, 0) })
}

fn bind(operation: &'static str, fd: &OwnedFd, address: &SocketAddr) -> Result<()> {
    let raw = to_raw(address);
    // SAFETY: pointer and length describe `raw`.
    let result = unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&raw.storage).cast(), raw.len) };
    check(operation, address, result)?;
    Ok(())
}

impl From<OwnedFd> for Listener {
    /// A listener that somebody else bound.
    fn from(fd: OwnedFd) -> Self {
        Listener { inner: fd.into() }
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.inner.into()
    }
}

impl From<OwnedFd> for Stream {
    /// A connection that somebody else had.
    fn from(fd: OwnedFd) -> Self {
        Stream { inner: fd.into() }
    }
}

impl From<Stream> for OwnedFd {
    fn from(stream: Stream) -> Self {
        stream.inner.into()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
