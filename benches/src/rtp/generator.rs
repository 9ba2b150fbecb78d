//! All the phones of all the calls. What one leg sends, the other leg of its call should get.

use std::io::{BufRead, Write};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use strowger_io::{Events, Interest, Poller};

use super::plan::{Gap, Locals, Outcome, Remotes};
use crate::Trouble;

const FRAME: Duration = Duration::from_millis(20);
const PACKET: usize = 172;
/// So many legs are watched by somebody who does nothing else, for the moment of arrival.
const WATCHED: usize = 4;
/// Longer silences are told.
const GAP: Duration = Duration::from_millis(21);
/// Sending this much too late at the end means that it could not keep pace.
const BEHIND: Duration = Duration::from_millis(50);

/// Plays `legs` phones: says where they are, hears where to send to, sends, and says what came of it.
pub(crate) fn generate(legs: usize) -> Result<(), Trouble> {
    strowger_io::sleep_precisely();
    let sockets = (0..legs).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let locals = sockets.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>()?;
    say(&Locals { legs: locals })?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let remotes: Remotes = serde_json::from_str(&line)?;
    for (socket, remote) in sockets.iter().zip(&remotes.legs) {
        socket.connect(remote)?;
        socket.set_nonblocking(true)?;
    }
    say(&play(&sockets, Duration::from_millis(remotes.millis))?)
}

fn say(what: &impl serde::Serialize) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    Ok(out.flush()?)
}

fn play(sockets: &[UdpSocket], span: Duration) -> Result<Outcome, Trouble> {
    let start = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    // Odd, so that both directions are watched.
    let step = sockets.len().div_ceil(WATCHED) | 1;
    let watchers = watch(sockets, step, start, &stop)?;
    let gap = FRAME / sockets.len() as u32;
    let mut outcome = Outcome::default();
    let (mut packet, mut buffer) = ([0x55; PACKET], [0; 2048]);
    packet[..2].copy_from_slice(&[0x80, 0]);
    let rounds = span.as_millis() / FRAME.as_millis();
    // The legs of a call are not neighbours in time.
    let order: Vec<usize> = (0..sockets.len()).step_by(2).chain((1..sockets.len()).step_by(2)).collect();
    for round in 0..rounds as u32 {
        for (place, &leg) in (0..).zip(&order) {
            wait_until(start + FRAME * round + gap * place);
            number(&mut packet, leg, round, start);
            outcome.sent += u64::from(sockets[leg].send(&packet).is_ok());
            if leg % step != 0 {
                outcome.received += u64::from(sockets[leg].recv(&mut buffer).is_ok());
            }
        }
    }
    outcome.behind = start.elapsed() > span + BEHIND;
    std::thread::sleep(Duration::from_millis(100));
    for (_, socket) in sockets.iter().enumerate().filter(|(leg, _)| leg % step != 0) {
        while socket.recv(&mut buffer).is_ok() {
            outcome.received += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for watcher in watchers {
        let heard = watcher.join().map_err(|_| "a watcher panicked")??;
        outcome.received += heard.delays.len() as u64;
        outcome.delays.extend(heard.delays);
        outcome.gaps.extend(heard.gaps);
    }
    Ok(outcome)
}

fn wait_until(due: Instant) {
    let rest = due.saturating_duration_since(Instant::now());
    if rest > Duration::from_micros(3) {
        std::thread::sleep(rest);
    }
}

fn number(packet: &mut [u8; PACKET], leg: usize, round: u32, start: Instant) {
    packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(round * 160).to_be_bytes());
    packet[8..12].copy_from_slice(&(leg as u32 + 1).to_be_bytes());
    packet[12..20].copy_from_slice(&(start.elapsed().as_micros() as u64).to_be_bytes());
}

/// What a watcher heard.
#[derive(Default)]
struct Heard {
    delays: Vec<u32>,
    gaps: Vec<Gap>,
}

type Watcher = JoinHandle<strowger_io::Result<Heard>>;

/// Listens on some legs without a pause, so that the moment of arrival is known.
fn watch(
    sockets: &[UdpSocket],
    step: usize,
    start: Instant,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<Watcher>, Trouble> {
    let mut watchers = Vec::new();
    for socket in sockets.iter().step_by(step) {
        let (socket, stop) = (socket.try_clone()?, Arc::clone(stop));
        watchers.push(std::thread::spawn(move || listen(&socket, start, &stop)));
    }
    Ok(watchers)
}

fn listen(socket: &UdpSocket, start: Instant, stop: &AtomicBool) -> strowger_io::Result<Heard> {
    let (poller, mut events) = (Poller::new()?, Events::new(1));
    poller.add(socket, 0, Interest::READ)?;
    let (mut heard, mut last, mut buffer) = (Heard::default(), None, [0; 2048]);
    while !stop.load(Ordering::Relaxed) {
        poller.wait(&mut events, Some(FRAME * 5))?;
        while socket.recv(&mut buffer).is_ok() {
            let now = start.elapsed();
            let sent = buffer[12..20].try_into().map_or(0, u64::from_be_bytes);
            heard.delays.push((now.as_micros() as u64).saturating_sub(sent) as u32);
            let silence = last.map_or(Duration::ZERO, |last| now - last);
            if silence > GAP {
                heard
                    .gaps
                    .push(Gap { end_millis: now.as_millis() as u64, micros: silence.as_micros() as u64 });
            }
            last = Some(now);
        }
    }
    Ok(heard)
}
