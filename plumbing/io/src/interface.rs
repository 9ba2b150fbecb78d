//! Addresses that come to a network interface and go from it: rtnetlink(7), and what tells the neighbours on the link.

use std::fs;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use crate::descriptors::owned;
use crate::error::{Error, Result, check};

/// The Ethernet type of ARP.
const ETH_ARP: u16 = 0x0806;
/// The Ethernet type of IPv6.
const ETH_IPV6: u16 = 0x86dd;

/// Gives `address` to `interface`. That it has it already is no error. Needs CAP_NET_ADMIN.
///
/// # Errors
/// When there is no such interface, or the kernel refuses.
pub fn add_address(address: IpAddr, prefix: u8, interface: &str) -> Result<()> {
    // IFA_F_NODAD: whoever had it is gone, and nobody waits a second to find out.
    let flags = libc::IFA_F_NODAD as u8;
    let request = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
    change("give an address to", libc::RTM_NEWADDR, request as u16, flags, (address, prefix, interface))
}

/// Takes `address` from `interface`. That it has it not is no error. Needs CAP_NET_ADMIN.
///
/// # Errors
/// When there is no such interface, or the kernel refuses.
pub fn remove_address(address: IpAddr, prefix: u8, interface: &str) -> Result<()> {
    let done = change("take an address from", libc::RTM_DELADDR, 0, 0, (address, prefix, interface));
    match done {
        Err(error) if error.source.raw_os_error() == Some(libc::EADDRNOTAVAIL) => Ok(()),
        done => done,
    }
}

/// Tells everybody on the link that `address` is to be found at `interface` now: gratuitous ARP (RFC 5227 3), or an
/// unsolicited neighbour advertisement (RFC 4861 7.2.6). Needs CAP_NET_RAW.
///
/// # Errors
/// When there is no such interface, or nothing can be sent on it.
pub fn announce_address(address: IpAddr, interface: &str) -> Result<()> {
    let operation = "announce an address on";
    let wrong = |source| Error::of(operation, interface, source);
    let (index, mac) = (index_of(interface).map_err(wrong)?, mac_of(interface).map_err(wrong)?);
    let (protocol, frame) = match address {
        IpAddr::V4(address) => (ETH_ARP, arp(mac, address)),
        IpAddr::V6(address) => (ETH_IPV6, advertisement(mac, address)),
    };
    // SAFETY: makes a descriptor of constants.
    let fd = owned(operation, interface, unsafe {
        libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0)
    })?;
    let mut to = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff; 8],
    };
    to.sll_addr[..6].copy_from_slice(&frame[..6]);
    // SAFETY: pointers and lengths describe `frame` and `to`.
    let sent = unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            std::ptr::from_ref(&to).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    check(operation, interface, sent as libc::c_int).map(drop)
}

/// An ARP request that asks everybody for the address which it says it is from.
fn arp(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend(ETH_ARP.to_be_bytes());
    // Ethernet, IPv4, lengths of both, request.
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(address.octets());
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame
}

/// A neighbour advertisement to all nodes, which overrides what they knew.
fn advertisement(mac: [u8; 6], address: Ipv6Addr) -> Vec<u8> {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut icmp = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    icmp.extend(address.octets());
    icmp.extend([2, 1]);
    icmp.extend(mac);
    let mut sum: u32 = 58 + icmp.len() as u32;
    let pieces = [&address.octets()[..], &ALL_NODES.octets()[..], &icmp];
    for pair in pieces.iter().flat_map(|piece| piece.chunks(2)) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    icmp[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend(mac);
    frame.extend(ETH_IPV6.to_be_bytes());
    frame.extend([0x60, 0, 0, 0, 0, icmp.len() as u8, 58, 255]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(icmp);
    frame
}

pub(crate) fn index_of(interface: &str) -> io::Result<libc::c_int> {
    let name = std::ffi::CString::new(interface).map_err(io::Error::other)?;
    // SAFETY: a string that ends with a zero.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => libc::c_int::try_from(index).map_err(io::Error::other),
    }
}

fn mac_of(interface: &str) -> io::Result<[u8; 6]> {
    let text = fs::read_to_string(format!("/sys/class/net/{interface}/address"))?;
    let bytes: Vec<u8> =
        text.trim().split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    <[u8; 6]>::try_from(bytes).map_err(|_| io::Error::other(format!("no Ethernet address: {}", text.trim())))
}

fn change(
    operation: &'static str,
    kind: u16,
    flags: u16,
    address_flags: u8,
    (address, prefix, interface): (IpAddr, u8, &str),
) -> Result<()> {
    let index = index_of(interface).map_err(|source| Error::of(operation, interface, source))?;
    let flags = flags | (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let request = message(kind, flags, address_flags, (address, prefix, index as u32));
    // SAFETY: makes a descriptor of constants.
    let fd = owned(operation, interface, unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE)
    })?;
    let answer = ask(&fd, &request).map_err(|source| Error::of(operation, interface, source))?;
    match answer {
        0 => Ok(()),
        error => Err(Error::of(operation, interface, io::Error::from_raw_os_error(-error))),
    }
}

/// An rtnetlink message about one address: header, ifaddrmsg, and the address as IFA_LOCAL and IFA_ADDRESS.
fn message(kind: u16, flags: u16, address_flags: u8, (address, prefix, index): (IpAddr, u8, u32)) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let mut body = vec![family as u8, prefix, address_flags, libc::RT_SCOPE_UNIVERSE];
    body.extend(index.to_ne_bytes());
    for attribute in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        body.extend((4 + octets.len() as u16).to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(&octets);
    }
    let mut message = (16 + body.len() as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// What the kernel answers: 0, or an errno, negative.
fn ask(fd: &OwnedFd, request: &[u8]) -> io::Result<i32> {
    let mut answer = [0_u8; 1024];
    // SAFETY: pointers and lengths describe `request` and `answer`.
    let length = unsafe {
        if libc::send(fd.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::recv(fd.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0)
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // The header's sixteen bytes, then nlmsgerr's errno.
    let error = answer[..length].get(16..20).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    error.map(i32::from_ne_bytes).ok_or_else(|| io::Error::other("the kernel's answer is too short"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn a_gratuitous_arp_asks_everybody_for_its_own_address() {
        let frame = arp(MAC, Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!((frame.len(), &frame[..6], &frame[6..12]), (42, &[0xff; 6][..], &MAC[..]));
        assert_eq!((&frame[28..32], &frame[38..42]), (&[192, 0, 2, 7][..], &[192, 0, 2, 7][..]));
    }

    #[test]
    fn an_advertisement_s_checksum_is_right() {
        let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let frame = advertisement(MAC, address);
        let (ip, icmp) = (&frame[14..54], &frame[54..]);
        let mut sum: u32 = 58 + icmp.len() as u32;
        for pair in ip[8..].chunks(2).chain(icmp.chunks(2)) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        assert_eq!(sum, 0xffff);
    }

    #[test]
    fn an_interface_that_is_not_there_is_said_to_be() {
        let error = add_address(Ipv4Addr::LOCALHOST.into(), 32, "no-such-0").unwrap_err();
        assert!(error.to_string().contains("no-such-0"), "{error}");
    }
}
