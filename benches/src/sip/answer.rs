//! The phones that are called: they ring, answer at once, and say 200 to a BYE.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use memchr::memmem;

use super::resend::{Resend, TRIES};
use super::text::{branch, lines, numbers, put_hex, value};
use super::wire::Mouth;

/// What audio is offered and answered with.
pub(crate) const SDP: &str = "v=0\r\no=- 3724394400 3724394405 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

/// The same where the audio is somewhere that listens.
pub(crate) fn sdp_at(audio: SocketAddr) -> String {
    SDP.replace("127.0.0.2", &audio.ip().to_string()).replace("40000", &audio.port().to_string())
}

/// Where the first audio of an SDP is.
pub(crate) fn audio_of(message: &[u8]) -> Option<SocketAddr> {
    let line = |name: &[u8]| {
        let rest = &message[memmem::find(message, name)? + name.len()..];
        std::str::from_utf8(&rest[..rest.iter().position(|byte| byte.is_ascii_whitespace())?]).ok()
    };
    Some(SocketAddr::new(line(b"\nc=IN IP4 ")?.parse().ok()?, line(b"\nm=audio ")?.parse().ok()?))
}

/// Real audio of the phones that are called, by the number of the pair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audio {
    /// The user of the first pair.
    pub(crate) first_user: u32,
    /// Where each phone hears.
    pub(crate) hears: Vec<SocketAddr>,
    /// Where it was told to send to.
    pub(crate) sends: BTreeMap<u32, SocketAddr>,
}

impl Audio {
    /// What the phone that this INVITE is for answers with.
    fn answer(&mut self, invite: &[u8]) -> Option<String> {
        let digits = invite.strip_prefix(b"INVITE sip:u")?.iter().take_while(|byte| byte.is_ascii_digit());
        let user = digits.fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        let pair = user.checked_sub(self.first_user)?;
        let hears = *self.hears.get(pair as usize)?;
        self.sends.insert(pair, audio_of(invite)?);
        Some(sdp_at(hears))
    }
}

/// One call at this side.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// Stands for the Call-ID.
    call: Vec<u8>,
    open: bool,
    acknowledged: bool,
    socket: usize,
    caller: Option<SocketAddr>,
    answer: Vec<u8>,
}

/// All phones that are called.
#[derive(Debug)]
pub(crate) struct Answering {
    places: Vec<String>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_call: HashMap<Vec<u8>, u32>,
    resend: Resend<(u32, u32)>,
    /// Answers sent again, since no ACK came.
    pub(crate) again: u64,
    pub(crate) audio: Audio,
}

/// What every response copies from its request, in the order it came in.
const COPIED: [&str; 5] = ["Via", "Record-Route", "From", "Call-ID", "CSeq"];

impl Answering {
    /// `places` are where the sockets are.
    pub(crate) fn new(places: &[SocketAddr]) -> Self {
        Answering {
            places: places.iter().map(ToString::to_string).collect(),
            slots: Vec::new(),
            free: Vec::new(),
            by_call: HashMap::new(),
            resend: Resend::default(),
            again: 0,
            audio: Audio::default(),
        }
    }

    /// A request came.
    pub(crate) fn hear(
        &mut self,
        now: u64,
        socket: usize,
        from: SocketAddr,
        request: &[u8],
        mouth: &mut Mouth,
    ) {
        match request.first() {
            Some(b'I') => self.invited(now, socket, from, request, mouth),
            Some(b'A') => {
                if let Some(slot) = self.slot_of(request) {
                    slot.acknowledged = true;
                }
            }
            _ => self.ended(socket, from, request, mouth),
        }
    }

    /// The call whose tag of ours stands in the request.
    fn slot_of(&mut self, request: &[u8]) -> Option<&mut Slot> {
        let [number, generation] = numbers(request, b";tag=sb")?;
        self.slots.get_mut(number as usize).filter(|slot| slot.open && slot.generation == generation)
    }

    fn invited(&mut self, now: u64, socket: usize, from: SocketAddr, request: &[u8], mouth: &mut Mouth) {
        let Some(call) = lines(request).find_map(|line| value(line, "Call-ID")) else { return };
        let known = self.by_call.get(call).copied();
        let number = known.unwrap_or_else(|| self.open_slot(call));
        let slot = &mut self.slots[number as usize];
        (slot.socket, slot.caller) = (socket, Some(from));
        let place = &self.places[socket];
        let tag = [number, slot.generation];
        mouth.say(socket, from, |out| respond(out, "180 Ringing", request, Some(tag), place, ""));
        slot.answer.clear();
        let audio = self.audio.answer(request);
        respond(&mut slot.answer, "200 OK", request, Some(tag), place, audio.as_deref().unwrap_or(SDP));
        mouth.say(socket, from, |out| out.extend_from_slice(&slot.answer));
        if known.is_none() {
            self.resend.sent(now, 0, (number, slot.generation));
        }
    }

    fn open_slot(&mut self, call: &[u8]) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[number as usize];
        slot.generation += 1;
        slot.call.clear();
        slot.call.extend_from_slice(call);
        (slot.open, slot.acknowledged) = (true, false);
        self.by_call.insert(call.to_vec(), number);
        number
    }

    fn close(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        slot.open = false;
        self.by_call.remove(&slot.call);
        self.free.push(number);
    }

    fn ended(&mut self, socket: usize, from: SocketAddr, request: &[u8], mouth: &mut Mouth) {
        let place = &self.places[socket];
        mouth.say(socket, from, |out| respond(out, "200 OK", request, None, place, ""));
        if request.starts_with(b"BYE")
            && let Some([number, _]) = numbers::<2>(request, b";tag=sb")
            && self.slot_of(request).is_some()
        {
            self.close(number);
        }
    }

    /// Sends again what was not acknowledged.
    pub(crate) fn tick(&mut self, now: u64, mouth: &mut Mouth) {
        while let Some((tries, (number, generation))) = self.resend.due(now) {
            let slot = &mut self.slots[number as usize];
            if !slot.open || slot.generation != generation || slot.acknowledged {
                continue;
            }
            let Some(caller) = slot.caller.filter(|_| tries <= TRIES) else {
                self.close(number);
                continue;
            };
            self.again += 1;
            mouth.say(slot.socket, caller, |out| out.extend_from_slice(&slot.answer));
            self.resend.sent(now, tries, (number, generation));
        }
    }
}

/// Writes a response to `request`; `tag` is put behind the To of a request that begins a dialog.
fn respond(out: &mut Vec<u8>, status: &str, request: &[u8], tag: Option<[u32; 2]>, place: &str, body: &str) {
    out.extend_from_slice(b"SIP/2.0 ");
    out.extend_from_slice(status.as_bytes());
    out.extend_from_slice(b"\r\n");
    for line in lines(request) {
        if COPIED.iter().any(|name| value(line, name).is_some()) {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        } else if value(line, "To").is_some() {
            out.extend_from_slice(line);
            if let Some([number, generation]) = tag {
                out.extend_from_slice(b";tag=sb");
                put_hex(out, number);
                out.push(b'x');
                put_hex(out, generation);
            }
            out.extend_from_slice(b"\r\n");
        }
    }
    if tag.is_some() {
        out.extend_from_slice(b"Contact: <sip:callee@");
        out.extend_from_slice(place.as_bytes());
        out.extend_from_slice(b">\r\n");
    }
    if !body.is_empty() {
        out.extend_from_slice(b"Content-Type: application/sdp\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    super::text::put_decimal(out, body.len() as u32);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body.as_bytes());
}

/// Answers a request to a phone that only calls.
pub(crate) fn acknowledge(socket: usize, from: SocketAddr, request: &[u8], mouth: &mut Mouth) {
    if is_request(request) && !request.starts_with(b"ACK") {
        mouth.say(socket, from, |out| respond(out, "200 OK", request, None, "", ""));
    }
}

/// Whether it is a request, and not some keep-alive.
fn is_request(bytes: &[u8]) -> bool {
    branch::<0>(bytes).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_copies_what_it_must() {
        let request = b"INVITE sip:u2@127.0.0.3:9 SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP b\r\n\
            Record-Route: <sip:p;lr>\r\nMax-Forwards: 69\r\nFrom: <sip:u1@x>;tag=c\r\nTo: <sip:u2@x>\r\nCall-ID: 7@x\r\n\
            CSeq: 1 INVITE\r\nContact: <sip:u1@a>\r\nContent-Length: 0\r\n\r\n";
        let mut out = Vec::new();
        respond(&mut out, "180 Ringing", request, Some([10, 3]), "127.0.0.3:9", "");
        let expected = "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP b\r\n\
            Record-Route: <sip:p;lr>\r\nFrom: <sip:u1@x>;tag=c\r\nTo: <sip:u2@x>;tag=sbax3\r\nCall-ID: 7@x\r\n\
            CSeq: 1 INVITE\r\nContact: <sip:callee@127.0.0.3:9>\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert!(is_request(request) && !is_request(b"\r\n\r\n"));
    }
}
