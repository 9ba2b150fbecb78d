//! `bindings.*`: eight million bindings in the exchanges of one process, each with its journal: taken over from another
//! host, looked up, restored after a death, and ended when their time is over.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use contract::registration::{Locate, Located};
use contract::{Aor, Envelope, TenantId, sharding};
use exchange::kept;
use host::{Blame, Damage, Shell, Turn};
use journal::{Entry, Journal};
use machine::{Epoch, Key, KeyedHash, Machine as _, Moment, Owned, Record, Secret, Tag};
use serde::Serialize;
use strowger_io::{Clock, MappedFile};
use worker::{Hop, In, Out, Settings, Signalling};

use crate::Trouble;
use crate::child::Folder;
use crate::row::{Row, Rows};

/// How much.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Addresses-of-record, each with one phone.
    #[arg(long, default_value_t = 8_000_000)]
    bindings: u64,
    /// Exchange threads, each with its part of the shards and a journal; they are driven one after another.
    #[arg(long, default_value_t = 8)]
    threads: u16,
    /// Told to other measurements; without meaning here.
    #[arg(long, hide = true)]
    rounds: Option<usize>,
    /// See `rounds`.
    #[arg(long, hide = true)]
    seconds: Option<u64>,
}

const BRAND: TenantId = TenantId(1);
/// What comes together is journaled together.
const TOGETHER: usize = 256;
/// So many are looked up.
const LOOK_UPS: u64 = 1_000_000;
/// They end within so many seconds, evenly.
const ENDING: u64 = 1_800;
/// Of the journal's file to what lives in it, and what it holds besides a body.
const ROOM: (u64, u64) = (5, 4);
const AROUND: u64 = 64;
/// Of a binding, outside of its body: maps, deadlines, the journal's index. For the estimate of what is needed.
const BESIDE: u64 = 160;
/// So much must be left to everybody else.
const LEFT: u64 = 2 << 30;

/// As an exchange keeps it (format 1 of `kept::BINDINGS`).
#[derive(Serialize)]
struct Rest {
    phones: [Phone; 1],
}

#[derive(Serialize)]
struct Phone {
    uri: String,
    path: [String; 1],
    q: u16,
    transport: &'static str,
    source: String,
    agent: &'static str,
    call: u64,
}

fn name(number: u64) -> String {
    format!("u{number:07}")
}

fn body(number: u64, expires: Moment) -> Vec<u8> {
    let name = name(number);
    let place = format!("10.{}.{}.{}:5060", number >> 16 & 255, number >> 8 & 255, number & 255);
    let phone = Phone {
        uri: format!("sip:{name}@{place}"),
        path: [format!("<sip:0c3f5a1be27d9946{number:016x}@192.0.2.10:5060;lr>")],
        q: 1000,
        transport: "udp",
        source: place,
        agent: "Phone 1.0",
        call: number,
    };
    let mut body = vec![1, 1];
    body.extend_from_slice(&(name.len() as u16).to_le_bytes());
    body.extend_from_slice(&BRAND.0.to_le_bytes());
    body.extend_from_slice(&expires.as_micros().to_le_bytes());
    body.extend_from_slice(&number.to_le_bytes());
    body.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&contract::encode(&Rest { phones: [phone] }));
    body
}

/// Hears answers, and nothing else happens.
#[derive(Default)]
struct Quiet {
    found: u64,
    lost: u64,
}

impl Shell<Signalling> for Quiet {
    fn decode(&mut self, _: Moment, _: &[u8], _: &[u8]) -> Option<In> {
        None
    }

    fn encode(&mut self, _: &Out, _: &mut Vec<u8>) {}

    fn perform(&mut self, _: Moment, out: Out) {
        if let Out::Answer(_, envelope) = out {
            let located: Located = contract::decode(&envelope.body).unwrap_or_default();
            self.found += located.contacts.len() as u64;
        }
    }

    fn perform_again(&mut self, _: Moment, _: &[u8]) {}

    fn set_aside(&mut self, _: &[u8], _: &[u8], _: Blame) {
        self.lost += 1;
    }

    fn lost(&mut self, _: Tag, _: Key, _: String) {
        self.lost += 1;
    }

    fn damaged(&mut self, _: Damage) {
        self.lost += 1;
    }
}

type Thread = Turn<Signalling, MappedFile>;

const NO_INPUTS: [(&[u8], &[u8]); 0] = [];

/// All of it.
struct House {
    threads: Vec<Thread>,
    shell: Quiet,
    places: Vec<PathBuf>,
    bytes: usize,
    hash: KeyedHash,
    clock: Clock,
    /// When the first ends.
    first_end: Moment,
    bindings: u64,
    _folder: Folder,
}

/// What a part took of this process's time.
struct Took {
    each_us: f64,
    clock: Duration,
}

/// Measures, and writes the rows.
pub(crate) fn measure(options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let mut house = House::build(options)?;
    let before = resident();
    let loaded = house.timed(house.bindings, House::adopt)?;
    let memory = (resident() - before) / house.bindings as f64;
    let live: u64 = house.threads.iter().map(|thread| thread.journal.stats().live_bytes as u64).sum();
    let kept = live as f64 / house.bindings as f64;
    let looked_up = house.timed(LOOK_UPS, |house| house.look_up(LOOK_UPS))?;
    house.threads.clear();
    let mut ready = Duration::ZERO;
    let restored = house.timed(house.bindings, |house| {
        ready = house.restore()?;
        Ok(())
    })?;
    house.look_up(LOOK_UPS)?;
    let ended = house.timed(house.bindings, House::end)?;
    let all = |took: &Took| {
        format!(
            "{:.1} s for all, {:.0} a second on one processor",
            took.clock.as_secs_f64(),
            1e6 / took.each_us
        )
    };
    let what = format!("{} bindings in {} exchange threads of one process", house.bindings, options.threads);
    let row = |name: &str, took: &Took, note: String| Row {
        ours: Some(took.each_us),
        note: format!("processor time a binding; {what}; {note}; {}", all(took)),
        ..Row::new(&format!("bindings.{name}"), "µs")
    };
    rows.put(row("adopt", &loaded, "taken over from another host's copy, each kept in the journal".into()))?;
    rows.put(row("look_up", &looked_up, format!("{LOOK_UPS} of them, at random, asked and answered")))?;
    let note = format!(
        "read from the journals after a death; each thread can decide after {:.0} ms, and restores what is missed first",
        ready.as_secs_f64() * 1e3
    );
    rows.put(row("restore", &restored, note))?;
    let note = format!("all end within {ENDING} s, are taken out and forgotten in the journal");
    rows.put(row("end", &ended, note))?;
    rows.put(Row {
        ours: Some(memory),
        note: format!(
            "resident memory of the process a binding, with the journal's index; {kept:.0} bytes more in the journal, a file on \
             tmpfs; {what}: {:.2} GB and {:.2} GB in all",
            memory * house.bindings as f64 / 1e9,
            live as f64 / 1e9
        ),
        ..Row::new("bindings.memory", "bytes")
    })
}

impl House {
    fn build(options: &Options) -> Result<Self, Trouble> {
        let size = body(0, Moment::START).len() as u64 + AROUND;
        let kept = options.bindings * size * ROOM.0 / ROOM.1;
        let needed = kept + options.bindings * (size + BESIDE) + LEFT;
        let there = available()?;
        if there < needed {
            let (needed, there) = (needed >> 20, there >> 20);
            return Err(format!("{needed} MB are needed, {there} are there; --bindings takes fewer").into());
        }
        let folder = Folder::in_memory("bindings")?;
        let places = (0..options.threads).map(|thread| folder.path().join(thread.to_string())).collect();
        let clock = Clock::start(Moment::START);
        let mut house = House {
            threads: Vec::new(),
            shell: Quiet::default(),
            places,
            bytes: (kept / u64::from(options.threads)) as usize + (16 << 20),
            hash: KeyedHash::new(secret()),
            clock,
            first_end: clock.now().after(Duration::from_secs(3600)),
            bindings: options.bindings,
            _folder: folder,
        };
        house.restore()?;
        Ok(house)
    }

    fn timed(
        &mut self,
        count: u64,
        part: impl FnOnce(&mut Self) -> Result<(), Trouble>,
    ) -> Result<Took, Trouble> {
        let (began, used) = (Instant::now(), strowger_io::process_cpu_time());
        part(self)?;
        let used = strowger_io::process_cpu_time().saturating_sub(used);
        if self.shell.lost > 0 {
            return Err(format!("{} were lost", self.shell.lost).into());
        }
        Ok(Took { each_us: used.as_secs_f64() * 1e6 / count as f64, clock: began.elapsed() })
    }

    fn key(&self, number: u64) -> u128 {
        sharding::binding_key(&self.hash, BRAND, name(number).as_bytes())
    }

    fn thread_of(&self, key: u128) -> usize {
        usize::from(sharding::shard_of_key(key).thread(self.places.len() as u16))
    }

    /// Brings each input to its thread, many at a time.
    fn deal(&mut self, inputs: impl Iterator<Item = (usize, In)>) {
        let mut dealt: Vec<Vec<In>> = vec![Vec::new(); self.places.len()];
        for (thread, input) in inputs {
            dealt[thread].push(input);
            if dealt[thread].len() == TOGETHER {
                self.turn(thread, &mut dealt[thread]);
            }
        }
        dealt.iter_mut().enumerate().for_each(|(thread, rest)| self.turn(thread, rest));
    }

    fn turn(&mut self, thread: usize, direct: &mut Vec<In>) {
        let now = self.clock.now();
        self.threads[thread].run(now, &NO_INPUTS[..], direct, &mut self.shell);
    }

    fn adopt(&mut self) -> Result<(), Trouble> {
        let (threads, hash, first_end) = (self.places.len() as u16, self.hash.clone(), self.first_end);
        let record = |number: u64| {
            let key = sharding::binding_key(&hash, BRAND, name(number).as_bytes());
            let shard = sharding::shard_of_key(key);
            let expires = first_end.after(Duration::from_secs(number % ENDING));
            let record = Record { tag: kept::BINDINGS, shard, key: Key(key), body: body(number, expires) };
            (usize::from(shard.thread(threads)), In::Adopt(record))
        };
        self.deal((0..self.bindings).map(record));
        self.counted(self.bindings)
    }

    /// Whether so many are there.
    fn counted(&self, expected: u64) -> Result<(), Trouble> {
        let there: usize = self.threads.iter().map(|thread| thread.machine.exchange().bindings()).sum();
        let unprotected: u64 = self.threads.iter().map(|thread| thread.journal.stats().unprotected).sum();
        match (there as u64, unprotected) {
            (there, 0) if there == expected => Ok(()),
            (there, lost) => {
                Err(format!("{there} bindings, not {expected}; {lost} are not in the journal").into())
            }
        }
    }

    fn look_up(&mut self, count: u64) -> Result<(), Trouble> {
        let found = self.shell.found;
        let asked: Vec<(u64, usize)> = (0..count)
            .map(|at| {
                let number = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.bindings;
                (number, self.thread_of(self.key(number)))
            })
            .collect();
        let question = |(number, thread): (u64, usize)| {
            let shard = None;
            let aor = Aor { tenant: BRAND, user: name(number) };
            (thread, In::Bus(number, Envelope::request(number, shard, &Locate { aor })))
        };
        self.deal(asked.into_iter().map(question));
        match self.shell.found - found {
            found if found == count => Ok(()),
            found => Err(format!("of {count} phones {found} were found").into()),
        }
    }

    /// Opens every journal, and takes up what is in it; after how long the last of the threads could decide, counted
    /// from its own begin.
    fn restore(&mut self) -> Result<Duration, Trouble> {
        let mut slowest = Duration::ZERO;
        for number in 0..self.places.len() {
            let (began, now) = (Instant::now(), self.clock.now());
            let region = MappedFile::create(&self.places[number], self.bytes)?;
            let (journal, mut recovered) = Journal::open(region, now)?;
            let mut thread =
                Turn::new(Signalling::new(settings(number, self.places.len()), secret(), now), journal);
            thread.restore(now, &mut recovered, &mut self.shell);
            thread.recover(now, &recovered, std::iter::empty::<Entry<'_>>(), &mut self.shell);
            slowest = slowest.max(began.elapsed());
            while thread.catch_up(now, &mut self.shell) {}
            self.threads.push(thread);
        }
        Ok(slowest)
    }

    /// All come to their end.
    fn end(&mut self) -> Result<(), Trouble> {
        self.counted(self.bindings)?;
        for second in 0..=ENDING + 1 {
            let now = self.first_end.after(Duration::from_secs(second));
            for thread in &mut self.threads {
                while thread.machine.next_deadline().is_some_and(|at| at <= now) {
                    thread.run(now, &NO_INPUTS[..], &mut Vec::new(), &mut self.shell);
                }
            }
        }
        self.counted(0)
    }
}

fn secret() -> Secret {
    Secret::new([7; 16])
}

fn settings(thread: usize, threads: usize) -> Settings {
    let owned =
        Owned::of(|shard| (usize::from(shard.thread(threads as u16)) == thread).then_some(Epoch::default()));
    Settings {
        exchange: exchange::Settings { owned, ..exchange::Settings::default() },
        listeners: Vec::new(),
        hop: Hop::Pipe,
    }
}

/// Bytes that this process holds.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() * 1024.0
}

/// Bytes of memory that nobody uses.
fn available() -> Result<u64, Trouble> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.ok_or("the kernel does not say how much memory is there")? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_adopted_is_found_restored_and_ended() {
        let options = Options { bindings: 1_000, threads: 2, rounds: None, seconds: None };
        let mut house = House::build(&options).unwrap();
        assert!(house.look_up(10).is_err(), "nobody is there yet");
        house.adopt().unwrap();
        house.look_up(3_000).unwrap();
        house.threads.clear();
        house.restore().unwrap();
        house.look_up(3_000).unwrap();
        house.end().unwrap();
        assert!(house.counted(1).is_err());
        assert_eq!(house.shell.lost, 0);
    }
}
