//! `strowger phone`: what the command line asks of the phones, and what came of it.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use audio::{Encoding, Wav, WavWriter};
use machine::{Moment, Timers};
use phone::{CallNo, Command, Event, OnCall, Quality, Settings, Transport};
use serde_json::{Value, json};

use super::{Desk, Handset, PhoneError};
use crate::cli::PhoneArgs;

/// An answer, a hang-up and all that must come within this time, or the phone gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is still to be done by one of the phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Due {
    Begin(usize),
    HangUp(usize, CallNo),
}

#[derive(Debug, Default)]
struct Tally {
    registered: u32,
    calls: u32,
    answered: u32,
    failed: u32,
    heard_nothing: u32,
    over: u32,
    worst_mos: Option<f64>,
    longest_gap_ms: f64,
}

/// Runs the phones; true if everything went as it was asked.
pub(crate) fn run(args: &PhoneArgs) -> Result<bool, PhoneError> {
    let mut session = Session::open(args)?;
    let mut told = Vec::new();
    while !session.is_done() {
        while let Some(due) = session.timers.pop_due(session.desk.clock.now()) {
            session.take_up(due, &mut told);
        }
        let now = session.desk.clock.now();
        let wait = session.timers.next().map_or(Duration::from_millis(200), |at| at.since(now));
        session.desk.turn(wait.min(Duration::from_millis(200)), &mut told)?;
        for (phone, event) in told.split_off(0) {
            session.happened(phone, event, &mut told)?;
        }
    }
    session.finish();
    session.desk.leave(session.tally.registered.min(session.begun) as usize)?;
    Ok(session.went_well())
}

struct Session<'a> {
    args: &'a PhoneArgs,
    desk: Desk,
    timers: Timers<Due>,
    tally: Tally,
    open_calls: u32,
    begun: u32,
    last_news: Moment,
    answered_at: std::collections::BTreeMap<(usize, CallNo), Moment>,
}

impl<'a> Session<'a> {
    fn open(args: &'a PhoneArgs) -> Result<Self, PhoneError> {
        let servers = args.server.iter().map(|server| resolve(server)).collect::<Result<Vec<_>, _>>()?;
        let transport = match args.transport.as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            other => return Err(PhoneError::Said(format!("--transport {other}: expected udp or tcp"))),
        };
        let voice = voice(args)?;
        let mut desk = Desk::new()?;
        let mut timers = Timers::new();
        let now = desk.clock.now();
        for number in 0..args.count {
            let mut listen = args.listen;
            if listen.port() != 0 {
                listen.set_port(listen.port().saturating_add(number as u16));
            }
            let seed = now.as_micros() ^ u64::from(std::process::id()) << 40 ^ u64::from(number) << 20;
            let settle = |settings| settle(settings, args, number, servers[0], &voice, seed);
            let phone = desk.add(Handset::open(listen, &servers, transport, settle)?)?;
            let after = Duration::from_secs_f64(f64::from(number) / args.rate.max(0.001));
            timers.set(Due::Begin(phone), Some(now.after(after)));
        }
        let answered_at = Default::default();
        Ok(Session {
            args,
            desk,
            timers,
            tally: Tally::default(),
            open_calls: 0,
            begun: 0,
            last_news: now,
            answered_at,
        })
    }

    fn is_done(&self) -> bool {
        let quiet = self.desk.clock.now().since(self.last_news);
        let all_begun = self.begun == self.args.count;
        if self.args.answer {
            return all_begun
                && self.open_calls == 0
                && self.args.wait.is_some_and(|wait| quiet.as_secs_f64() > wait);
        }
        let patience = PATIENCE + Duration::from_secs_f64(self.args.talk.max(0.0));
        let settled = match self.args.call {
            Some(_) => self.tally.over + self.tally.failed >= self.args.count,
            None => self.tally.registered + self.tally.failed >= self.args.count,
        };
        all_begun
            && (settled && self.args.wait.is_none_or(|wait| quiet.as_secs_f64() > wait) || quiet > patience)
    }

    fn take_up(&mut self, due: Due, told: &mut Vec<(usize, Event)>) {
        match due {
            Due::Begin(phone) => {
                self.begun += 1;
                if self.args.register || self.args.call.is_none() {
                    self.desk.command(phone, Command::Register, told);
                } else {
                    self.dial(phone, told);
                }
            }
            Due::HangUp(phone, call) => self.desk.command(phone, Command::HangUp(call), told),
        }
    }

    fn dial(&mut self, phone: usize, told: &mut Vec<(usize, Event)>) {
        if let Some(whom) = &self.args.call {
            self.tally.calls += 1;
            self.open_calls += 1;
            let whom = whom.replace("{}", &phone.to_string());
            self.desk.command(phone, Command::Call(whom), told);
        }
    }

    fn happened(
        &mut self,
        phone: usize,
        event: Event,
        told: &mut Vec<(usize, Event)>,
    ) -> Result<(), PhoneError> {
        self.last_news = self.desk.clock.now();
        self.say(phone, &event);
        match event {
            Event::Registered(_) => {
                // A refresh is no second registration.
                if self.tally.registered < self.args.count {
                    self.tally.registered += 1;
                    self.dial(phone, told);
                }
            }
            Event::NotRegistered(_) => self.tally.failed += 1,
            Event::Incoming(..) => self.open_calls += 1,
            Event::Answered(call) => {
                self.tally.answered += 1;
                self.answered_at.insert((phone, call), self.last_news);
                if let Some(digits) = &self.args.dtmf {
                    self.desk.command(phone, Command::Press(call, digits.clone()), told);
                }
                if self.args.call.is_some() {
                    let at = self.last_news.after(Duration::from_secs_f64(self.args.talk.max(0.0)));
                    self.timers.set(Due::HangUp(phone, call), Some(at));
                }
            }
            Event::Over { call, refused, quality, heard, .. } => {
                self.timers.set(Due::HangUp(phone, call), None);
                self.answered_at.remove(&(phone, call));
                self.open_calls = self.open_calls.saturating_sub(1);
                self.count_over(refused.is_some(), &quality);
                self.write_recording(phone, &heard)?;
            }
            Event::Unregistered
            | Event::Server(_)
            | Event::Ringing(..)
            | Event::Digit(..)
            | Event::Held(..)
            | Event::NotHeld(..)
            | Event::Heard(..) => {}
        }
        Ok(())
    }

    fn count_over(&mut self, was_refused: bool, quality: &Quality) {
        if was_refused {
            self.tally.failed += 1;
            return;
        }
        self.tally.over += 1;
        if quality.received == 0 {
            self.tally.heard_nothing += 1;
        }
        self.tally.longest_gap_ms = self.tally.longest_gap_ms.max(quality.longest_gap_ms);
        if let Some(mos) = quality.mos {
            self.tally.worst_mos = Some(self.tally.worst_mos.map_or(mos, |worst| worst.min(mos)));
        }
    }

    fn write_recording(&self, phone: usize, heard: &[i16]) -> Result<(), PhoneError> {
        let Some(path) = &self.args.record else { return Ok(()) };
        let path = match self.args.count {
            1 => path.clone(),
            _ => path.with_extension(format!("{phone}.wav")),
        };
        let file = WavWriter::file(Encoding::Pcm16, 1, 8000, heard);
        std::fs::write(&path, file)
            .map_err(|source| PhoneError::File { what: path.display().to_string(), source })
    }

    fn say(&self, phone: usize, event: &Event) {
        if self.args.json {
            println!("{}", as_json(phone, event));
        } else if self.args.count == 1 {
            println!("{}", as_text(event));
        } else if let Event::NotRegistered(_) | Event::Over { refused: Some(_), .. } = event {
            println!("phone {phone}: {}", as_text(event));
        }
    }

    fn finish(&self) {
        let tally = &self.tally;
        if self.args.json {
            let summary = json!({
                "event": "summary", "registered": tally.registered, "calls": tally.calls, "answered": tally.answered,
                "failed": tally.failed, "heard_nothing": tally.heard_nothing, "over": tally.over,
                "worst_mos": tally.worst_mos, "longest_gap_ms": tally.longest_gap_ms,
            });
            println!("{summary}");
        } else if self.args.count > 1 {
            println!(
                "{} registered, {} calls, {} answered, {} failed, {} heard nothing, worst MOS {:.2}, longest gap {:.0} ms",
                tally.registered,
                tally.calls,
                tally.answered,
                tally.failed,
                tally.heard_nothing,
                tally.worst_mos.unwrap_or(0.0),
                tally.longest_gap_ms
            );
        }
    }

    fn went_well(&self) -> bool {
        let tally = &self.tally;
        if tally.failed > 0 || tally.heard_nothing > 0 {
            return false;
        }
        if self.args.answer {
            return tally.answered > 0 || self.args.wait.is_none();
        }
        match self.args.call {
            Some(_) => tally.answered >= self.args.count && tally.over >= self.args.count,
            None => tally.registered >= self.args.count,
        }
    }
}

fn settle(
    mut settings: Settings,
    args: &PhoneArgs,
    number: u32,
    server: SocketAddr,
    voice: &[i16],
    seed: u64,
) -> Settings {
    settings.user = numbered(&args.user, number);
    settings.domain = args.domain.clone().unwrap_or_else(|| server.ip().to_string());
    settings.password = args.password.as_deref().map(|password| numbered(password, number));
    settings.on_call = match args.answer {
        true => OnCall::Answer(Duration::from_millis(args.answer_after)),
        false => OnCall::Refuse(sip::Status::BUSY_HERE),
    };
    settings.voice = voice.to_vec();
    settings.record = if args.record.is_some() { 8000 * 3600 } else { 0 };
    settings.seed = seed;
    settings
}

/// `{}` stands for the number of the phone.
fn numbered(text: &str, number: u32) -> String {
    text.replace("{}", &number.to_string())
}

fn resolve(server: &str) -> Result<SocketAddr, PhoneError> {
    let unreadable = || PhoneError::Said(format!("--server {server}: expected HOST[:PORT]"));
    let mut addresses = match server.to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(_) => (server, 5060).to_socket_addrs().map_err(|_| unreadable())?,
    };
    addresses.next().ok_or_else(unreadable)
}

fn voice(args: &PhoneArgs) -> Result<Vec<i16>, PhoneError> {
    let Some(path) = &args.play else {
        // A quiet tone: something to hear, and nothing to mind.
        return Ok(audio::Tone::new(&[440.0], 4000.0, 8000).take(8000));
    };
    let what = || path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| PhoneError::File { what: what(), source })?;
    let wav = Wav::parse(&bytes).map_err(|error| PhoneError::Said(format!("{}: {error}", what())))?;
    Ok(audio::resample(&wav.mono(), wav.rate, 8000))
}

fn quality_json(quality: &Quality) -> Value {
    json!({
        "codec": quality.codec, "sent": quality.sent, "received": quality.received, "lost": quality.lost,
        "jitter_ms": quality.jitter_ms, "round_trip_ms": quality.round_trip_ms, "mos": quality.mos,
        "longest_gap_ms": quality.longest_gap_ms,
    })
}

fn as_json(phone: usize, event: &Event) -> Value {
    match event {
        Event::Registered(seconds) => json!({"phone": phone, "event": "registered", "seconds": seconds}),
        Event::Unregistered => json!({"phone": phone, "event": "unregistered"}),
        Event::NotRegistered(status) => {
            json!({"phone": phone, "event": "not_registered", "status": status.map(sip::Status::code)})
        }
        Event::Incoming(call, from) => {
            json!({"phone": phone, "event": "incoming", "call": call.0, "from": from})
        }
        Event::Ringing(call, status) => {
            json!({"phone": phone, "event": "ringing", "call": call.0, "status": status.code()})
        }
        Event::Answered(call) => json!({"phone": phone, "event": "answered", "call": call.0}),
        Event::Digit(call, digit) => {
            json!({"phone": phone, "event": "digit", "call": call.0, "digit": digit})
        }
        Event::Held(call, held) => json!({"phone": phone, "event": "held", "call": call.0, "held": held}),
        Event::Server(server) => json!({"phone": phone, "event": "server", "server": server}),
        Event::NotHeld(call, status) => {
            json!({"phone": phone, "event": "not_held", "call": call.0, "status": status.code()})
        }
        Event::Heard(call, quality) => json!({
            "phone": phone, "event": "heard", "call": call.0, "quality": quality_json(quality),
        }),
        Event::Over { call, refused, by_us, cause, quality, .. } => json!({
            "phone": phone, "event": "over", "call": call.0, "refused": refused.map(sip::Status::code),
            "by_us": by_us, "cause": cause, "quality": quality_json(quality),
        }),
    }
}

/// One line about a call's audio.
pub(crate) fn quality_text(quality: &Quality) -> String {
    let mos = quality.mos.map_or("-".to_owned(), |mos| format!("{mos:.2}"));
    format!(
        "{} sent {} heard {} lost {} jitter {:.2} ms MOS {mos}",
        quality.codec, quality.sent, quality.received, quality.lost, quality.jitter_ms
    )
}

fn as_text(event: &Event) -> String {
    match event {
        Event::Registered(seconds) => format!("registered for {seconds} s"),
        Event::Unregistered => "unregistered".into(),
        Event::NotRegistered(Some(status)) => {
            format!("not registered: {} {}", status.code(), status.default_reason())
        }
        Event::NotRegistered(None) => "not registered: nobody answered".into(),
        Event::Incoming(_, from) => format!("{from} calls"),
        Event::Ringing(_, status) => format!("{} {}", status.code(), status.default_reason()),
        Event::Answered(_) => "answered".into(),
        Event::Digit(_, digit) => format!("heard the digit {digit}"),
        Event::Held(_, true) => "put on hold".into(),
        Event::Held(_, false) => "talking".into(),
        Event::Server(server) => format!("turns to server {server}"),
        Event::NotHeld(_, status) => format!("hold refused: {}", status.code()),
        Event::Heard(_, quality) => quality_text(quality),
        Event::Over { refused: Some(status), cause, .. } => format!("refused: {} {cause}", status.code()),
        Event::Over { cause, quality, .. } => format!("over: {cause}; {}", quality_text(quality)),
    }
}
