use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use machine::Moment;
use phone::{Out, Phone, Settings, Transport};
use sip::{Framed, Framer};
use strowger_io::{Interest, Poller, Stream, UdpOptions, UdpSocket};

/// Why a phone can't be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PhoneError {
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    #[error("{what}: {source}")]
    File { what: String, source: std::io::Error },
    #[error("{0}")]
    Said(String),
}

/// How a handset reaches its exchange.
#[derive(Debug)]
enum Wire {
    Udp(UdpSocket),
    Tcp { stream: Stream, framer: Framer, unread: Vec<u8>, unwritten: Vec<u8>, is_up: bool },
}

/// A phone and its sockets.
#[derive(Debug)]
pub(crate) struct Handset {
    pub(crate) phone: Phone,
    server: SocketAddr,
    wire: Wire,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// The tokens of handset `index` are `4 * index` and the two behind it.
const SIP: u64 = 0;
const RTP: u64 = 1;
const RTCP: u64 = 2;

impl Handset {
    /// Binds the sockets of a phone that `settle` then finishes the settings of.
    pub(crate) fn open(
        listen: SocketAddr,
        server: SocketAddr,
        transport: Transport,
        settle: impl FnOnce(Settings) -> Settings,
    ) -> Result<Handset, PhoneError> {
        let ip = own_address(listen.ip(), server);
        let options = UdpOptions::default();
        let (wire, local) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(SocketAddr::new(ip, listen.port()), &options)?;
                let local = socket.local()?;
                (Wire::Udp(socket), local)
            }
            Transport::Tcp => connect(server, ip)?,
        };
        let (rtp, rtcp) = pair(ip, &options)?;
        let mut settings = settle(Settings::new("", "", local, vec![rtp.local()?]));
        settings.transport = transport;
        Ok(Handset { phone: Phone::new(settings), server, wire, rtp, rtcp })
    }

    pub(crate) fn watch(&self, poller: &Poller, index: u64) -> Result<(), PhoneError> {
        match &self.wire {
            Wire::Udp(socket) => poller.add(socket, 4 * index + SIP, Interest::READ)?,
            Wire::Tcp { stream, .. } => poller.add(stream, 4 * index + SIP, Interest::BOTH.edge())?,
        }
        poller.add(&self.rtp, 4 * index + RTP, Interest::READ)?;
        poller.add(&self.rtcp, 4 * index + RTCP, Interest::READ)?;
        Ok(())
    }

    /// Takes what came at one of its sockets.
    pub(crate) fn ready(&mut self, token: u64, room: &mut [u8], came: &mut Vec<phone::In>) {
        match token % 4 {
            SIP => self.read_sip(room, came),
            which => {
                let socket = if which == RTP { &self.rtp } else { &self.rtcp };
                while let Ok(Some((length, _))) = socket.receive(room) {
                    came.push(phone::In::Audio(0, room[..length].to_vec()));
                }
            }
        }
    }

    fn read_sip(&mut self, room: &mut [u8], came: &mut Vec<phone::In>) {
        match &mut self.wire {
            Wire::Udp(socket) => {
                while let Ok(Some((length, _))) = socket.receive(room) {
                    came.push(phone::In::Sip(room[..length].to_vec()));
                }
            }
            Wire::Tcp { stream, framer, unread, is_up, .. } => {
                *is_up = true;
                while let Ok(Some(length @ 1..)) = stream.read(room) {
                    unread.extend_from_slice(&room[..length]);
                }
                let mut start = 0;
                loop {
                    match framer.next(&unread[start..]) {
                        Ok(Framed::Message { len }) => {
                            came.push(phone::In::Sip(unread[start..start + len].to_vec()));
                            start += len;
                        }
                        Ok(Framed::KeepAlive { len, .. }) => start += len,
                        Ok(Framed::Partial) | Err(_) => break,
                    }
                }
                unread.drain(..start);
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if let Wire::Tcp { stream, unwritten, is_up: true, .. } = &mut self.wire
            && let Ok(Some(length)) = stream.write(unwritten)
        {
            unwritten.drain(..length);
        }
    }

    /// Carries out what the phone wants; events are left for the caller.
    pub(crate) fn perform(&mut self, _now: Moment, out: Out) -> Option<phone::Event> {
        match out {
            Out::Sip(bytes) => match &mut self.wire {
                Wire::Udp(socket) => drop(socket.send(&bytes, self.server)),
                Wire::Tcp { unwritten, .. } => {
                    unwritten.extend_from_slice(&bytes);
                    self.flush();
                }
            },
            Out::Rtp(_, to, bytes) => drop(self.rtp.send(&bytes, to)),
            Out::Rtcp(_, to, bytes) => drop(self.rtcp.send(&bytes, to)),
            Out::Event(event) => return Some(event),
        }
        None
    }
}

fn connect(server: SocketAddr, ip: IpAddr) -> Result<(Wire, SocketAddr), PhoneError> {
    let stream = Stream::connect(server, Some(SocketAddr::new(ip, 0)))?;
    let said = |source| PhoneError::File { what: format!("connecting to {server}"), source };
    let local = stream.local().map_err(said)?;
    let framer = Framer::new(sip::Limits::default());
    Ok((Wire::Tcp { stream, framer, unread: Vec::new(), unwritten: Vec::new(), is_up: false }, local))
}

/// An even port and the one above it.
fn pair(ip: IpAddr, options: &UdpOptions) -> Result<(UdpSocket, UdpSocket), PhoneError> {
    for _ in 0..100 {
        let rtp = UdpSocket::bind(SocketAddr::new(ip, 0), options)?;
        let port = rtp.local()?.port();
        if port.is_multiple_of(2)
            && let Ok(rtcp) = UdpSocket::bind(SocketAddr::new(ip, port + 1), options)
        {
            return Ok((rtp, rtcp));
        }
    }
    Err(PhoneError::Said(format!("no pair of ports is free on {ip}")))
}

/// The address by which `server` sees us.
fn own_address(wanted: IpAddr, server: SocketAddr) -> IpAddr {
    if !wanted.is_unspecified() {
        return wanted;
    }
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let probe = std::net::UdpSocket::bind(any).and_then(|socket| {
        socket.connect(server)?;
        socket.local_addr()
    });
    probe.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}
