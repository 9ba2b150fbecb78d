//! REGISTERs and calls, beside Kamailio: both servers run at the same time, each on a loopback address of its
//! own, and are measured in turn under the same load from the same generator.

mod answer;
mod call;
mod digest;
mod drive;
mod register;
mod resend;
mod rig;
mod text;
mod wire;

mod calls;
mod compare;
mod cost;
mod kill;
mod memory;
mod overload;
mod parse;
mod registers;
mod scale;
mod shards;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

pub(crate) use calls::measure as call;
pub(crate) use cost::measure as cost;
pub(crate) use kill::{Kills, measure as kill};
pub(crate) use memory::measure as memory;
pub(crate) use overload::measure as overload;
pub(crate) use parse::measure as parse;
pub(crate) use registers::measure as register;
pub(crate) use scale::measure as scale;
pub(crate) use shards::measure as shards;

/// How much is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each is measured, in turn with the peer; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Units a second of the row, instead of nine tenths of what the slower one can carry.
    #[arg(long)]
    rate: Option<f64>,
    /// Without the peer, and without writing rows: for a look while working.
    #[arg(long)]
    alone: bool,
    /// Only the peer: for a look at the generator.
    #[arg(long, conflicts_with = "alone")]
    peer: bool,
}

impl Options {
    fn span(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// The SIP domain of everybody, and the digest realm.
const DOMAIN: &str = "bench.example";
/// Where the phones are that call or register, and those that are called.
const CALLERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CALLEES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Where Kamailio is, and where we are.
const PEER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const OURS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
/// Sockets of the generator at each of its addresses.
const SOCKETS: usize = 8;

/// An OPTIONS from `place`, the one of this number.
fn options_request(address: SocketAddr, place: SocketAddr, number: u32) -> String {
    format!(
        "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {place};rport;branch=z9hG4bKready{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:ready@{DOMAIN}>;tag=1\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: ready{number}@{place}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Whether a SIP server answers at `address`.
pub(crate) fn is_listening(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let socket = UdpSocket::bind((CALLERS, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let place = socket.local_addr()?;
        socket.send_to(options_request(address, place, 0).as_bytes(), address)?;
        let mut answer = [0; 2048];
        let (count, _) = socket.recv_from(&mut answer)?;
        Ok(text::status(&answer[..count]).is_some())
    };
    ask().unwrap_or(false)
}
