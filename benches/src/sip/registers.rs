//! `sip.register_digest`: a REGISTER that refreshes a binding, with digest authentication and a nonce that is
//! used again, beside Kamailio's registrar.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use super::compare::{Compared, Ramp, compare};
use super::register::{Registering, Registrations};
use super::rig::Rig;
use super::wire::Wire;
use super::{CALLERS, DOMAIN, OURS, Options, PEER, SOCKETS};
use crate::Trouble;
use crate::cpu::Whose;
use crate::kamailio::{Kamailio, Part};
use crate::platform::{Platform, Serves as _, Setup};
use crate::row::Rows;

/// Phones, one of each user.
const USERS: u32 = 10_000;
/// At which they are challenged first.
const PEACE: f64 = 3_000.0;

/// A platform for phones that only register.
pub(crate) fn setup(users: u32) -> Setup {
    Setup {
        ip: OURS,
        threads: 1,
        legs: 10,
        domain: DOMAIN.to_owned(),
        users: 0..users,
        direct_media: true,
        micros_per_minute: 0,
    }
}

/// Measures, and writes the rows.
pub(crate) fn measure(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let ours = if options.peer { None } else { Some(Platform::start(binary, setup(USERS))?) };
    let peer = if options.alone {
        None
    } else {
        Some(Kamailio::start(Part::Registrar { users: USERS }, (PEER, 5060).into(), DOMAIN)?)
    };
    let mut rigs = Vec::new();
    if let Some(ours) = &ours {
        rigs.push(rig("ours", ours.address, ours.pid(), 0..USERS)?);
    }
    if let Some(peer) = &peer {
        rigs.push(rig("kamailio", peer.address, peer.pid(), 0..USERS)?);
    }
    for rig in &mut rigs {
        let counts = rig.prepare(rig.load.len(), PEACE).map_err(|trouble| {
            let log = ours.as_ref().map(Platform::last_words).unwrap_or_default();
            format!("{trouble}\n{log}")
        })?;
        println!("{}: {} phones registered, {} challenges", rig.name, counts.done, counts.challenged);
    }
    let compared = Compared {
        name: "sip.register_digest",
        what: "a REGISTER with digest and a nonce used again, that refreshes one of 10,000 bindings; ours with its journal",
        goal: "at most 0.7 of Kamailio",
        at_most: 0.7,
    };
    compare(compared, &mut rigs, Ramp { first: 10_000.0, most: 150_000.0 }, options, rows)?;
    Ok(())
}

/// One phone of each of `users`, at `server`.
pub(crate) fn rig(
    name: &'static str,
    server: SocketAddr,
    whose: impl Into<Whose>,
    users: Range<u32>,
) -> Result<Rig<Registrations>, Trouble> {
    let wire = Wire::bind(&[CALLERS], SOCKETS)?;
    let registering =
        Registering { server, domain: DOMAIN.to_owned(), users, phones_each: 1, sockets: 0..SOCKETS };
    let load = Registrations::new(registering, wire.places());
    let warm = Duration::from_millis(500);
    let (whose, drain) = (whose.into(), Duration::from_secs(2));
    Ok(Rig { name, wire, load, whose, warm, drain, start: Instant::now() })
}
