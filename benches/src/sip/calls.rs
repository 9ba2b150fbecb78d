//! `sip.call`: a call from INVITE to BYE without media, through our edge and B2BUA with journal and record,
//! beside Kamailio as a mere transaction-stateful proxy with Record-Route.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::call::{Calling, Calls, Towards};
use super::compare::{Compared, Ramp, carried_by_all, compare};
use super::drive::Drive;
use super::register::{Registering, Registrations};
use super::rig::Rig;
use super::wire::Wire;
use super::{CALLEES, CALLERS, DOMAIN, OURS, Options, PEER, SOCKETS};
use crate::Trouble;
use crate::cpu::Whose;
use crate::kamailio::{Kamailio, Part};
use crate::platform::{Platform, Serves, Setup};
use crate::row::{Row, Rows};

/// Users that call, and as many that are called.
pub(crate) const PAIRS: u32 = 1_000;
/// How long a call lasts.
const HOLD: Duration = Duration::from_secs(1);
/// At which everybody calls for the first time.
const PEACE: f64 = 500.0;

/// Measures, and writes the rows.
pub(crate) fn measure(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let ours = if options.peer { None } else { Some(Platform::start(binary, setup(1, 10, true))?) };
    let peer =
        if options.alone { None } else { Some(Kamailio::start(Part::Proxy, (PEER, 5060).into(), DOMAIN)?) };
    let mut rigs = Vec::new();
    if let Some(ours) = &ours {
        rigs.push(ready(ours, HOLD)?);
    }
    if let Some(peer) = &peer {
        let mut peer = rig("kamailio", peer.address, peer.pid(), Towards::Address, HOLD)?;
        peer.prepare(u64::from(PAIRS), PEACE)?;
        rigs.push(peer);
    }
    let compared = Compared {
        name: "sip.call",
        what: "a call of one second from INVITE to BYE without media, answered at once: ours a B2BUA that authenticates the \
               caller, with journal and record, the peer a proxy with Record-Route that keeps transactions",
        goal: "at most 1.5 times Kamailio",
        at_most: 1.5,
    };
    let rate = compare(compared, &mut rigs, Ramp { first: 1_000.0, most: 25_000.0 }, options, rows)?;
    if options.alone || options.peer {
        return Ok(());
    }
    drop((rigs, ours, peer));
    with_tariff(binary, rate / 2.0, options, rows)
}

/// The same where a minute costs something, so that there are books to keep; without a peer.
fn with_tariff(binary: &Path, rate: f64, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let platform = Platform::start(binary, Setup { micros_per_minute: 10_000, ..setup(1, 10, true) })?;
    let (rate, figures) = carried_by_all(&mut [ready(&platform, HOLD)?], rate, options)?;
    let Some(ours) = figures.first() else { return Ok(()) };
    rows.put(Row {
        ours: Some(ours.process),
        note: format!(
            "as sip.call, but a minute costs something: each reservation and each settlement is in billing's journal \
             before it is answered, and the end of a call in the store; {rate:.0} a second, the highest rate up to half of \
             sip.call's that is carried for long; missing {:.2} %; delay p50/p99 {:.2}/{:.2} ms",
            ours.missing * 100.0,
            ours.delay.0,
            ours.delay.1
        ),
        ..Row::new("sip.call_with_tariff", "µs")
    })
}

/// A platform for callers and callees.
pub(crate) fn setup(threads: u16, legs: u16, direct_media: bool) -> Setup {
    Setup {
        ip: OURS,
        threads,
        legs,
        domain: DOMAIN.to_owned(),
        users: 0..2 * PAIRS,
        direct_media,
        micros_per_minute: 0,
    }
}

/// A rig on the platform whose callees are registered.
pub(crate) fn registered(platform: &impl Serves, hold: Duration) -> Result<Rig<Calls>, Trouble> {
    let mut rig = rig("ours", platform.address(), platform.whose(), Towards::Users, hold)?;
    let log = |trouble: Trouble| format!("{trouble}\n{}", platform.last_words());
    register_callees(&mut rig, platform.address()).map_err(log)?;
    Ok(rig)
}

/// A rig on the platform whose callees are registered and whose callers have been challenged.
pub(crate) fn ready(platform: &impl Serves, hold: Duration) -> Result<Rig<Calls>, Trouble> {
    let mut rig = registered(platform, hold)?;
    let log = |trouble: Trouble| format!("{trouble}\n{}", platform.last_words());
    let counts = rig.prepare(u64::from(PAIRS), PEACE).map_err(log)?;
    println!("ours: {} calls, {} challenges", counts.done, counts.challenged);
    Ok(rig)
}

fn register_callees(rig: &mut Rig<Calls>, server: SocketAddr) -> Result<(), Trouble> {
    let registering = Registering {
        server,
        domain: DOMAIN.to_owned(),
        users: PAIRS..2 * PAIRS,
        phones_each: 1,
        sockets: SOCKETS..2 * SOCKETS,
    };
    let mut phones = Registrations::new(registering, rig.wire.places());
    let count = phones.len();
    let counts =
        Drive::new(&mut rig.wire, &mut phones, rig.start).all(count, PEACE, Duration::from_secs(10))?;
    if counts.done != count {
        return Err(format!("of {count} callees {} registered", counts.done).into());
    }
    Ok(())
}

fn rig(
    name: &'static str,
    server: SocketAddr,
    whose: impl Into<Whose>,
    towards: Towards,
    hold: Duration,
) -> Result<Rig<Calls>, Trouble> {
    let wire = Wire::bind(&[CALLERS, CALLEES], SOCKETS)?;
    let calling = Calling {
        server,
        domain: DOMAIN.to_owned(),
        callers: 0..PAIRS,
        callees: PAIRS..2 * PAIRS,
        towards,
        hold: u64::try_from(hold.as_micros())?,
        sockets: SOCKETS,
        run: std::process::id(),
    };
    let load = Calls::new(calling, wire.places());
    let warm = hold + Duration::from_millis(500);
    Ok(Rig {
        name,
        wire,
        load,
        whose: whose.into(),
        warm,
        drain: hold + Duration::from_secs(3),
        start: Instant::now(),
    })
}
