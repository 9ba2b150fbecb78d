use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

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

/// What was said so shortly before a connection broke may not have been heard, and is said again.
const UNSURE: Duration = Duration::from_secs(1);

/// How a handset reaches its exchange.
#[derive(Debug)]
enum Wire {
    Udp(UdpSocket),
    Tcp(Connection),
}

/// A connection to the exchange, through all its lives.
#[derive(Debug)]
struct Connection {
    /// None between two lives.
    stream: Option<Stream>,
    local: SocketAddr,
    framer: Framer,
    unread: Vec<u8>,
    unwritten: Vec<u8>,
    is_up: bool,
    recent: VecDeque<(Moment, Vec<u8>)>,
}

/// A phone and its sockets.
#[derive(Debug)]
pub(crate) struct Handset {
    pub(crate) phone: Phone,
    servers: Vec<SocketAddr>,
    /// The one that the phone talks to.
    server: usize,
    wire: Wire,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// The tokens of handset `index` are `4 * index` and the two behind it.
const SIP: u64 = 0;
const RTP: u64 = 1;
const RTCP: u64 = 2;

impl Handset {
    /// Binds the sockets of a phone that `settle` then finishes the settings of. It talks to the first of `servers`, and
    /// to the next when that one fails.
    pub(crate) fn open(
        listen: SocketAddr,
        servers: &[SocketAddr],
        transport: Transport,
        settle: impl FnOnce(Settings) -> Settings,
    ) -> Result<Handset, PhoneError> {
        let server = *servers.first().ok_or_else(|| PhoneError::Said("a phone needs a server".to_owned()))?;
        let ip = own_address(listen.ip(), server);
        let options = UdpOptions::default();
        let (wire, local) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(SocketAddr::new(ip, listen.port()), &options)?;
                let local = socket.local()?;
                (Wire::Udp(socket), local)
            }
            Transport::Tcp => {
                let connection = Connection::to(server, ip)?;
                let local = connection.local;
                (Wire::Tcp(connection), local)
            }
        };
        let (rtp, rtcp) = pair(ip, &options)?;
        let mut settings = settle(Settings::new("", "", local, vec![rtp.local()?]));
        settings.transport = transport;
        settings.servers = servers.len();
        Ok(Handset { phone: Phone::new(settings), servers: servers.to_vec(), server: 0, wire, rtp, rtcp })
    }

    pub(crate) fn watch(&self, poller: &Poller, index: u64) -> Result<(), PhoneError> {
        match &self.wire {
            Wire::Udp(socket) => poller.add(socket, 4 * index + SIP, Interest::READ)?,
            Wire::Tcp(connection) => connection.watch(poller, 4 * index + SIP)?,
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
            Wire::Tcp(connection) => connection.read(room, came),
        }
    }

    /// Whether its connection is gone; datagrams need none.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(&self.wire, Wire::Tcp(connection) if connection.stream.is_none())
    }

    /// Connects again.
    pub(crate) fn reconnect(&mut self, poller: &Poller, index: u64, now: Moment) -> Result<(), PhoneError> {
        let Wire::Tcp(connection) = &mut self.wire else { return Ok(()) };
        connection.open(self.servers[self.server], now)?;
        connection.watch(poller, 4 * index + SIP)
    }

    /// Carries out what the phone wants; events are left for the caller.
    pub(crate) fn perform(&mut self, now: Moment, out: Out) -> Option<phone::Event> {
        match out {
            Out::Sip(bytes) => match &mut self.wire {
                Wire::Udp(socket) => drop(socket.send(&bytes, self.servers[self.server])),
                Wire::Tcp(connection) => connection.say(bytes, now),
            },
            Out::Beside(server, bytes) => match &mut self.wire {
                Wire::Udp(socket) => drop(socket.send(&bytes, self.servers[server])),
                // The connection to that server is gone, and what was begun on it.
                Wire::Tcp(_) => {}
            },
            Out::Rtp(_, to, bytes) => drop(self.rtp.send(&bytes, to)),
            Out::Rtcp(_, to, bytes) => drop(self.rtcp.send(&bytes, to)),
            Out::Event(event) => {
                if let phone::Event::Server(server) = event {
                    self.server = server;
                    if let Wire::Tcp(connection) = &mut self.wire {
                        connection.turn_away();
                    }
                }
                return Some(event);
            }
        }
        None
    }
}

impl Connection {
    fn to(server: SocketAddr, ip: IpAddr) -> Result<Connection, PhoneError> {
        let mut connection = Connection {
            stream: None,
            local: SocketAddr::new(ip, 0),
            framer: Framer::new(sip::Limits::default()),
            unread: Vec::new(),
            unwritten: Vec::new(),
            is_up: false,
            recent: VecDeque::new(),
        };
        connection.open(server, Moment::START)?;
        Ok(connection)
    }

    /// From the port it had, if it had one: those who know the way by it still find it.
    fn open(&mut self, server: SocketAddr, now: Moment) -> Result<(), PhoneError> {
        let stream = Stream::connect(server, Some(self.local))?;
        let said = |source| PhoneError::File { what: format!("connecting to {server}"), source };
        self.local = stream.local().map_err(said)?;
        self.stream = Some(stream);
        self.framer = Framer::new(sip::Limits::default());
        self.is_up = false;
        self.unread.clear();
        self.forget(now);
        self.unwritten = self.recent.iter().flat_map(|(_, message)| message).copied().collect();
        Ok(())
    }

    /// It leads to another server from now on, who was not told what was said to this one.
    fn turn_away(&mut self) {
        self.stream = None;
        self.recent.clear();
    }

    fn watch(&self, poller: &Poller, token: u64) -> Result<(), PhoneError> {
        match &self.stream {
            Some(stream) => Ok(poller.add(stream, token, Interest::BOTH.edge())?),
            None => Ok(()),
        }
    }

    fn read(&mut self, room: &mut [u8], came: &mut Vec<phone::In>) {
        let Some(stream) = &self.stream else { return };
        let mut is_over = stream.failure().is_some();
        self.is_up = !is_over;
        while !is_over {
            match stream.read(room) {
                Ok(Some(length @ 1..)) => self.unread.extend_from_slice(&room[..length]),
                Ok(Some(_)) | Err(_) => is_over = true,
                Ok(None) => break,
            }
        }
        let mut start = 0;
        loop {
            match self.framer.next(&self.unread[start..]) {
                Ok(Framed::Message { len }) => {
                    came.push(phone::In::Sip(self.unread[start..start + len].to_vec()));
                    start += len;
                }
                Ok(Framed::KeepAlive { len, .. }) => start += len,
                Ok(Framed::Partial) | Err(_) => break,
            }
        }
        self.unread.drain(..start);
        if is_over {
            self.stream = None;
        }
        self.flush();
    }

    fn say(&mut self, message: Vec<u8>, now: Moment) {
        self.unwritten.extend_from_slice(&message);
        self.forget(now);
        self.recent.push_back((now, message));
        self.flush();
    }

    fn forget(&mut self, now: Moment) {
        while self.recent.front().is_some_and(|(said, _)| now.since(*said) > UNSURE) {
            self.recent.pop_front();
        }
    }

    fn flush(&mut self) {
        if self.is_up
            && let Some(stream) = &self.stream
            && let Ok(Some(length)) = stream.write(&self.unwritten)
        {
            self.unwritten.drain(..length);
        }
    }
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
