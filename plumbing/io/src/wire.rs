//! Whole frames of a network interface, as they are: packet(7). For whoever stands between two ends of a wire.

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::descriptors::{owned, set_option};
use crate::error::{Error, Result, check, moved};
use crate::interface::index_of;

/// Linux's linux/if_packet.h; libc does not name them all.
const PACKET_VNET_HDR: libc::c_int = 15;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// Room for what came and was not read yet.
const BUFFER: libc::c_int = 8 << 20;

/// One end of a wire.
///
/// A frame is preceded by the kernel's own header (virtio_net_hdr), which says which checksum is still to be made and how
/// a large one is to be cut: so it goes on as it came, and not with a checksum that nobody has made.
#[derive(Debug)]
pub struct Wire {
    fd: OwnedFd,
}

impl Wire {
    /// No frame is longer, its header included.
    pub const LONGEST: usize = 66_000;

    /// Takes what comes in at `interface`, besides whoever else does. Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// When there is no such interface, or the kernel refuses.
    pub fn open(interface: &str) -> Result<Self> {
        let operation = "open the wire at";
        let index = index_of(interface).map_err(|source| Error::of(operation, interface, source))?;
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // Of no protocol, so that nothing of other interfaces comes before it is bound.
        // SAFETY: makes a descriptor of constants.
        let fd = owned(operation, interface, unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        for option in [PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING] {
            check(operation, interface, set_option(&fd, libc::SOL_PACKET, option, 1))?;
        }
        set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER);
        set_option(&fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BUFFER);
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: pointer and length describe `address`.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), length) };
        check(operation, interface, bound)?;
        Ok(Wire { fd })
    }

    /// Reads the next frame into `room`; `None` if there is none.
    ///
    /// # Errors
    /// When the interface is gone, say.
    pub fn receive(&self, room: &mut [u8]) -> Result<Option<usize>> {
        let fd = self.fd.as_raw_fd();
        // SAFETY: pointer and length describe `room`.
        let length = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), 0) };
        moved("receive a frame on", fd, length)
    }

    /// Sends a frame out; false if there is no room for it.
    ///
    /// # Errors
    /// When the interface is gone or down.
    pub fn send(&self, frame: &[u8]) -> Result<bool> {
        let fd = self.fd.as_raw_fd();
        // SAFETY: pointer and length describe `frame`.
        let length = unsafe { libc::send(fd, frame.as_ptr().cast(), frame.len(), 0) };
        Ok(moved("send a frame on", fd, length)?.is_some())
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
