//! `memory.contact` and `memory.call`: what the processes hold more with 100,000 contacts, and with 1,000 calls.

use std::path::Path;
use std::time::{Duration, Instant};

use strowger_io::SHROUD;

use super::Options;
use super::call::Calls;
use super::calls::{ready, setup};
use super::drive::Drive;
use super::register::{Registering, Registrations};
use super::rig::Rig;
use super::wire::Wire;
use super::{CALLERS, DOMAIN, PEER, SOCKETS, registers};
use crate::Trouble;
use crate::cpu;
use crate::kamailio::{Kamailio, Part};
use crate::platform::Platform;
use crate::row::{Row, Rows};

/// Users, and phones of each.
const USERS: u32 = 10_000;
const PHONES: u32 = 10;
/// REGISTERs a second while the contacts are bound.
const PEACE: f64 = 4_000.0;
/// Calls at one time, and a second while they are set up.
const CALLS: u64 = 1_000;
const PACE: f64 = 100.0;

/// Measures, and writes the rows.
pub(crate) fn measure(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    if !options.peer {
        call(binary, options, rows)?;
    }
    contact(binary, options, rows)
}

fn contact(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let contacts = f64::from(USERS) * f64::from(PHONES - 1);
    let peer = if options.alone {
        None
    } else {
        let kamailio = Kamailio::start(Part::Registrar { users: USERS }, (PEER, 5060).into(), DOMAIN)?;
        let mut rigs = phones("kamailio", kamailio.address, kamailio.pid())?;
        bind(&mut rigs[0])?;
        let before = kamailio.shared_used()?;
        bind(&mut rigs[1])?;
        Some((kamailio.shared_used()? - before) / contacts)
    };
    println!("kamailio: {:.0} bytes a contact", peer.unwrap_or_default());
    if options.peer {
        return Ok(());
    }
    let platform = Platform::start(binary, registers::setup(USERS))?;
    let mut rigs = phones("ours", platform.address, platform.pid())?;
    bind(&mut rigs[0])?;
    let before = held(platform.pid());
    bind(&mut rigs[1])?;
    let ours = (held(platform.pid()) - before) / contacts;
    println!("ours: {ours:.0} bytes a contact");
    if options.alone {
        return Ok(());
    }
    rows.put(Row {
        ours: Some(ours),
        peer,
        note: "memory of all our processes (proportional set size) with 100,000 contacts of 10,000 users less that with the \
               first 10,000, a contact; nonces and the account cache are in it, the journal (a file on tmpfs of fixed size, \
               set aside from the start) is not; the peer's figure is what its own account of shared memory says for the same"
            .to_owned(),
        ..Row::new("memory.contact", "bytes").goal("Kamailio's usrloc", peer.map(|peer| ours <= peer))
    })
}

/// The first phone of each user, and all others.
fn phones(
    name: &'static str,
    server: std::net::SocketAddr,
    pid: u32,
) -> Result<[Rig<Registrations>; 2], Trouble> {
    let rig = |phones_each| -> Result<Rig<Registrations>, Trouble> {
        let wire = Wire::bind(&[CALLERS], SOCKETS)?;
        let registering = Registering {
            server,
            domain: DOMAIN.to_owned(),
            users: 0..USERS,
            phones_each,
            sockets: 0..SOCKETS,
        };
        let load = Registrations::new(registering, wire.places());
        let (warm, drain) = (Duration::ZERO, Duration::from_secs(2));
        Ok(Rig { name, wire, load, whose: pid.into(), warm, drain, start: Instant::now() })
    };
    Ok([rig(1)?, rig(PHONES - 1)?])
}

fn bind(rig: &mut Rig<Registrations>) -> Result<(), Trouble> {
    rig.prepare(rig.load.len(), PEACE)?;
    // What is done behind the answers: disk log, buffers given back.
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

fn call(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let platform = Platform::start(binary, setup(1, 2 * (CALLS as u16) + 400, false))?;
    let mut rig = ready(&platform, Duration::from_secs(1))?;
    rig.load.hold(Duration::from_secs(120));
    std::thread::sleep(Duration::from_secs(2));
    let before = held(platform.pid());
    let up = stand(&mut rig)?;
    let ours = (held(platform.pid()) - before) / up as f64;
    println!("ours: {ours:.0} bytes a call, of {up}");
    if options.alone {
        return Ok(());
    }
    let peer = rows.iter().find(|row| row.name == "memory.media_call").and_then(|row| row.peer);
    rows.put(Row {
        ours: Some(ours / 1000.0),
        peer,
        note: format!(
            "memory of all our processes (proportional set size) with {up} anchored calls up (signalling, two media legs, billing, \
             ladder) less that with none, a call; no sound passes; journals (files of fixed size) are not in it; the peer's \
             figure is rtpengine's resident memory a call alone, from memory.media_call"
        ),
        ..Row::new("memory.call", "kB").goal("rtpengine alone", peer.map(|peer| ours / 1000.0 <= peer))
    })
}

/// Sets the calls up, and leaves them standing; how many there are.
fn stand(rig: &mut Rig<Calls>) -> Result<u64, Trouble> {
    let drain = Duration::from_secs(3);
    let counts = Drive::new(&mut rig.wire, &mut rig.load, rig.start).all(CALLS, PACE, drain)?;
    let up = rig.load.talking();
    if up < CALLS {
        return Err(format!("of {CALLS} calls {up} are up, {} were refused", counts.refused).into());
    }
    Ok(up)
}

/// Bytes of memory that the processes of a server hold, each page shared by several counted once in all.
fn held(root: u32) -> f64 {
    let of = |pid: u32| {
        // A shroud's memory is its worker's, which is counted there.
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        if Some(name.trim_end()) == SHROUD.to_str().ok() {
            return None;
        }
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    cpu::tree(root).into_iter().filter_map(of).sum::<f64>() * 1024.0
}
