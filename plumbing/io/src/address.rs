//! Socket addresses as the kernel writes them.

use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use libc::{AF_INET, AF_INET6, sa_family_t, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

/// An address in the kernel's form, with its length.
#[derive(Clone, Copy)]
pub(crate) struct Raw {
    pub(crate) storage: sockaddr_storage,
    pub(crate) len: socklen_t,
}

/// Room for any address.
pub(crate) fn blank() -> sockaddr_storage {
    // SAFETY: sockaddr_storage is plain data, for which all zeros is a value (AF_UNSPEC).
    unsafe { zeroed() }
}

pub(crate) fn domain(address: &SocketAddr) -> libc::c_int {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// Level and option by which a socket may be bound to an address that the host does not have (yet).
pub(crate) fn free_option(address: &SocketAddr) -> (libc::c_int, libc::c_int) {
    /// Linux's linux/in6.h; libc does not name it.
    const IPV6_FREEBIND: libc::c_int = 78;
    match address {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_FREEBIND),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, IPV6_FREEBIND),
    }
}

pub(crate) fn to_raw(address: &SocketAddr) -> Raw {
    let mut storage = blank();
    let len = write(address, &mut storage);
    Raw { storage, len }
}

/// Writes `address` into `storage` and returns how long it is.
pub(crate) fn write(address: &SocketAddr, storage: &mut sockaddr_storage) -> socklen_t {
    let target: *mut sockaddr_storage = storage;
    match address {
        SocketAddr::V4(v4) => {
            let raw = sockaddr_in {
                sin_family: AF_INET as sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is larger than and aligned for every socket address.
            unsafe { target.cast::<sockaddr_in>().write(raw) };
            size_of::<sockaddr_in>() as socklen_t
        }
        SocketAddr::V6(v6) => {
            let raw = sockaddr_in6 {
                sin6_family: AF_INET6 as sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { target.cast::<sockaddr_in6>().write(raw) };
            size_of::<sockaddr_in6>() as socklen_t
        }
    }
}

/// The address in `storage`; `None` if it is of another family.
pub(crate) fn read(storage: &sockaddr_storage) -> Option<SocketAddr> {
    let source: *const sockaddr_storage = storage;
    match libc::c_int::from(storage.ss_family) {
        AF_INET => {
            // SAFETY: the family says that a sockaddr_in lies there, and the storage is larger.
            let raw = unsafe { source.cast::<sockaddr_in>().read() };
            let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into())
        }
        AF_INET6 => {
            // SAFETY: the family says that a sockaddr_in6 lies there, and the storage is larger.
            let raw = unsafe { source.cast::<sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            let port = u16::from_be(raw.sin6_port);
            Some(SocketAddrV6::new(ip, port, raw.sin6_flowinfo, raw.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Bytes of the control messages that carry our own address of a datagram, and when it came.
pub(crate) const CONTROL_ROOM: usize = 80;

/// Room for those control messages, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; CONTROL_ROOM]);

/// What the kernel told with a datagram.
pub(crate) enum Told {
    /// The address it was sent to.
    Destination(IpAddr),
    /// The time of day at which it came.
    Arrival(Duration),
}

/// The first of what the kernel told with a datagram for which `wanted` gives something.
pub(crate) fn find_told<T>(message: &libc::msghdr, wanted: impl Fn(Told) -> Option<T>) -> Option<T> {
    // SAFETY: the kernel filled msg_control and set msg_controllen; the macros stay within it, and level and type
    // say what lies there.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let told = match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    Some(Told::Destination(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into()))
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    Some(Told::Destination(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()))
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = data.cast::<libc::timespec>().read_unaligned();
                    Some(Told::Arrival(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)))
                }
                _ => None,
            };
            if let Some(found) = told.and_then(&wanted) {
                return Some(found);
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    None
}

/// Writes the control message that makes a datagram leave from `source`; returns its length.
pub(crate) fn leave_from(source: IpAddr, control: &mut Control) -> usize {
    match source {
        IpAddr::V4(ip) => {
            let address = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: address,
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(ip) => {
            let info =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write_control<T>(control: &mut Control, level: libc::c_int, kind: libc::c_int, data: T) -> usize {
    let len = size_of::<T>() as libc::c_uint;
    // SAFETY: the room of 64 bytes holds a header (16) and either info (12 or 20), and is aligned for both; the
    // macros compute places within it.
    unsafe {
        let header = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
        (*header).cmsg_len = libc::CMSG_LEN(len) as _;
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
        libc::CMSG_SPACE(len) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_kernels_form() {
        for text in ["192.0.2.7:5060", "[2001:db8::7]:5061", "[fe80::1%3]:5060", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(read(&to_raw(&address).storage), Some(address));
        }
        assert_eq!(read(&blank()), None);
    }
}
