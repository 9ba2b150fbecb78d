//! The connections to and from the signalling threads of other hosts.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use machine::Moment;
use peering::{Frame, Hosts, Line as Number, Wish};
use strowger_io::{Event, Interest, Listener, Poller, Stream};

use super::line::{Cut, Line};

/// What is read at once, bytes.
const ROOM: usize = 256 << 10;

/// The lines of one thread.
#[derive(Debug)]
pub(crate) struct Lines {
    listener: Listener,
    first_token: u64,
    lines: BTreeMap<Number, Line>,
    room: Vec<u8>,
}

impl Lines {
    /// Hears at `listener`, under tokens from `first_token` on.
    pub(crate) fn new(listener: Listener, first_token: u64, poller: &Poller) -> strowger_io::Result<Self> {
        poller.add(&listener, first_token, Interest::READ)?;
        Ok(Lines { listener, first_token, lines: BTreeMap::new(), room: vec![0; ROOM] })
    }

    fn token(&self, number: Number) -> u64 {
        self.first_token + number.0
    }

    /// Reads and writes what is possible.
    pub(crate) fn ready(&mut self, event: Event, now: Moment, hosts: &mut Hosts, poller: &Poller) {
        if event.token == self.first_token {
            return self.accept(now, hosts, poller);
        }
        let number = Number(event.token - self.first_token);
        let mut frames = Vec::new();
        let Some(line) = self.lines.get_mut(&number) else { return };
        let mut talked = if event.writable { line.connected() } else { Ok(()) };
        if talked.is_ok() && (event.readable || event.closed) {
            talked = line.read(&mut self.room, &mut |frame| frames.push(frame));
        }
        let talked = talked.and_then(|()| line.flush(event.token, poller));
        for frame in frames {
            hosts.read(now, number, frame);
        }
        if let Err(why) = talked {
            self.cut(number, &why, now, hosts, poller);
        }
    }

    fn accept(&mut self, now: Moment, hosts: &mut Hosts, poller: &Poller) {
        while let Ok(Some((stream, _))) = self.listener.accept() {
            let mut nonce = [0; 8];
            if getrandom::fill(&mut nonce).is_err() {
                return;
            }
            let number = hosts.neighbours_mut().called(u64::from_le_bytes(nonce));
            match Line::new(stream, false, self.token(number), poller) {
                Some(line) => drop(self.lines.insert(number, line)),
                None => hosts.neighbours_mut().cut(now, number),
            }
        }
    }

    /// Does what is wanted of lines. What is to be said waits for [`Lines::flush`].
    pub(crate) fn carry_out(&mut self, wish: Wish, now: Moment, hosts: &mut Hosts, poller: &Poller) {
        match wish {
            Wish::Call { line, to } => self.call(line, to, now, hosts, poller),
            Wish::Say { line, frame } => self.say(line, &frame),
            Wish::HangUp { line } => {
                if let Some(line) = self.lines.remove(&line) {
                    line.leave(poller);
                }
            }
        }
    }

    fn call(&mut self, number: Number, to: SocketAddr, now: Moment, hosts: &mut Hosts, poller: &Poller) {
        let stream = Stream::connect(to, None).ok();
        match stream.and_then(|stream| Line::new(stream, true, self.token(number), poller)) {
            Some(line) => drop(self.lines.insert(number, line)),
            None => hosts.neighbours_mut().cut(now, number),
        }
    }

    fn say(&mut self, number: Number, frame: &Frame) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.say(frame);
        }
    }

    fn cut(&mut self, number: Number, why: &Cut, now: Moment, hosts: &mut Hosts, poller: &Poller) {
        tracing::debug!(?number, %why, "a line to another host is cut");
        if let Some(line) = self.lines.remove(&number) {
            line.leave(poller);
        }
        hosts.neighbours_mut().cut(now, number);
    }

    /// Writes what was said.
    pub(crate) fn flush(&mut self, now: Moment, hosts: &mut Hosts, poller: &Poller) {
        let (mut cut, first) = (Vec::new(), self.first_token);
        for (&number, line) in &mut self.lines {
            if let Err(why) = line.flush(first + number.0, poller) {
                cut.push((number, why));
            }
        }
        cut.into_iter().for_each(|(number, why)| self.cut(number, &why, now, hosts, poller));
    }

    /// Whether more should not be copied over it for now.
    pub(crate) fn is_busy(&self, number: Number) -> bool {
        self.lines.get(&number).is_some_and(Line::is_busy)
    }
}
