//! A forwarder that does nothing but forward: no look into the packet, no account of it, a fixed way for each port.
//! It waits and gathers as we do, so the difference is what media costs.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use strowger_io::{Events, Interest, Poller, UdpOptions, UdpSocket};

use super::plan::{Locals, Remotes};
use crate::Trouble;

/// Under load it looks only so often.
const GATHER: Duration = Duration::from_micros(650);
/// From so many packets at a look on that pays.
const WORTH: u128 = 3;
const WINDOW: Duration = Duration::from_millis(10);

/// Forwards between the legs of each call: says its ports, hears where each leg is, and goes on until it is killed.
pub(crate) fn forward(legs: usize) -> Result<(), Trouble> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = UdpOptions { receive_buffer: 64 << 10, ..UdpOptions::default() };
    let sockets = (0..legs).map(|_| UdpSocket::bind(any, &options)).collect::<Result<Vec<_>, _>>()?;
    let locals = sockets.iter().map(UdpSocket::local).collect::<Result<Vec<_>, _>>()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&Locals { legs: locals })?)?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let remotes: Remotes = serde_json::from_str(&line)?;
    let poller = Poller::new()?;
    for (number, socket) in (0..).zip(&sockets) {
        poller.add(socket, number, Interest::READ)?;
    }
    turn(&poller, &sockets, &remotes.legs)
}

fn turn(poller: &Poller, sockets: &[UdpSocket], remotes: &[SocketAddr]) -> Result<(), Trouble> {
    let (mut events, mut buffer) = (Events::new(1024), [0; 4096]);
    let (mut looked, mut since, mut packets, mut busy) = (Instant::now(), Instant::now(), 0, false);
    loop {
        if busy && let Some(rest) = GATHER.checked_sub(looked.elapsed()) {
            std::thread::sleep(rest);
        }
        poller.wait(&mut events, None)?;
        looked = Instant::now();
        for event in events.iter() {
            let leg = event.token as usize;
            if let Ok(Some((length, _))) = sockets[leg].receive(&mut buffer) {
                let _ = sockets[leg ^ 1].send(&buffer[..length], remotes[leg ^ 1]);
            }
        }
        packets += events.len() as u128;
        if looked - since >= WINDOW {
            busy = packets * GATHER.as_micros() / (looked - since).as_micros() >= WORTH;
            (since, packets) = (looked, 0);
        }
    }
}
