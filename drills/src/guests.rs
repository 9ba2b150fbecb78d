//! A few calls of other people's phones among the load: SIPp calls SIPp every two seconds, and one baresip talks to
//! another all the time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use strowger_tests::{Baresip, Place, Sipp, Verdict};

use crate::Trouble;
use crate::host::Record;

/// Between two calls of SIPp.
const EVERY: Duration = Duration::from_secs(2);
/// The users of the guests.
pub(crate) const USERS: [&str; 4] = ["sipp-caller", "sipp-callee", "baresip-caller", "baresip-callee"];
const PORTS: [u16; 4] = [6001, 6002, 6200, 6400];

/// Whether they are installed.
pub(crate) fn are_here() -> bool {
    ["/usr/bin/sipp", "/usr/bin/baresip"].iter().all(|program| Path::new(program).exists())
}

/// The guests of a part.
#[derive(Debug)]
pub(crate) struct Guests {
    sipp: [Sipp; 2],
    sipp_calls: usize,
    baresip: [Baresip; 2],
    began: Instant,
}

impl Guests {
    /// They begin to call, and will for `long`; SIP is heard at `server`.
    pub(crate) fn start(
        folder: PathBuf,
        me: Ipv4Addr,
        server: SocketAddr,
        long: Duration,
    ) -> Result<Guests, Trouble> {
        std::fs::create_dir_all(&folder).map_err(|error| Trouble::file(&folder, &error))?;
        let place = Place::new(folder, me, server);
        let registered = Sipp::play(&place, "register", PORTS[1], &["-key", "user", USERS[1]]).verdict();
        if let Verdict::Failed(_, why) = registered {
            return Err(Trouble::new(format!("SIPp is not registered: {why}")));
        }
        let voice: Vec<i16> = (0..8000 * 600).map(|at: i32| ((at * 7 % 64) * 100 - 3200) as i16).collect();
        let callee = Baresip::start(&place, USERS[3], PORTS[3], &voice, None);
        std::thread::sleep(Duration::from_secs(1));
        let caller = Baresip::start(&place, USERS[2], PORTS[2], &voice, Some(USERS[3]));
        let sipp_calls = (long.as_secs() / EVERY.as_secs()).max(1) as usize;
        let (count, pause) = (sipp_calls.to_string(), EVERY.as_millis().to_string());
        let patient = ["-m", &count, "-recv_timeout", "30000", "-timeout", "600"];
        let answers = Sipp::await_calls(&place, "answer_moved", PORTS[1], &patient);
        // A call lasts longer than it is to the next one.
        let calling = ["-s", USERS[1], "-key", "user", USERS[0], "-r", "1", "-rp", &pause, "-l", "20"];
        let calls = Sipp::play(&place, "call_moved", PORTS[0], &[&patient[..], &calling[..]].concat());
        Ok(Guests { sipp: [calls, answers], sipp_calls, baresip: [caller, callee], began: Instant::now() })
    }

    /// Waits until SIPp has made its calls, has baresip hang up, and says what went wrong.
    pub(crate) fn finish(self) -> Farewell {
        let (mut wrong, mut turned_away) = (Vec::new(), 0);
        for mut sipp in self.sipp {
            if let Verdict::Failed(_, why) = sipp.verdict() {
                turned_away += why.matches("SIP/2.0 503").count();
                let why: Vec<&str> = why.lines().take(3).collect();
                wrong.push(format!("SIPp: {}", why.join(" ")));
                // Whoever is to be called waits in vain for the call that failed.
                break;
            }
        }
        let talked = self.began.elapsed();
        for baresip in self.baresip {
            let heard = Duration::from_secs_f64(baresip.finish().len() as f64 / 8000.0);
            // Each fault may cost a second.
            if heard < talked / 2 {
                wrong.push(format!("baresip heard {heard:.0?} of {talked:.0?}"));
            }
        }
        Farewell { wrong, turned_away, sipp_calls: self.sipp_calls }
    }
}

/// What came of the guests.
#[derive(Debug)]
pub(crate) struct Farewell {
    /// What they say went wrong.
    pub(crate) wrong: Vec<String>,
    /// Calls of theirs that were refused with 503, as far as SIPp told.
    pub(crate) turned_away: usize,
    sipp_calls: usize,
}

impl Farewell {
    /// Their calls that have no record, and those that have several; a call that did not end as it should is wrong.
    pub(crate) fn compare(&mut self, records: &BTreeMap<String, Vec<Record>>) -> [usize; 2] {
        let (mut missing, mut doubled) = (0, 0);
        for (caller, calls) in [(USERS[0], self.sipp_calls), (USERS[2], 1)] {
            let own: Vec<_> =
                records.values().filter(|kept| kept.iter().any(|it| it.caller == caller)).collect();
            missing +=
                calls.saturating_sub(own.len() + if caller == USERS[0] { self.turned_away } else { 0 });
            doubled += own.iter().filter(|kept| kept.len() > 1).count();
            let strange = own.iter().flat_map(|kept| kept.iter()).filter(|it| it.outcome != "answered");
            self.wrong.extend(strange.map(|it| format!("{caller}: {}: {}", it.outcome, it.cause)));
        }
        [missing, doubled]
    }
}
