//! What a supervisor leaves to its successor: every descriptor, and a few words about each bundle of them.
//!
//! It goes two ways: across an exec, when a supervisor is replaced in place, and by way of the standby
//! ([`crate::standby`]), which holds a copy of all and hands it to whoever comes after a supervisor that died.
//! Names and fields are understood by the next version and the one before: fields are only added, with defaults.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use strowger_io::{
    Clock, Events, Interest, Poller, Received, SeqSocket, inherit, memory_file, take_inherited,
};

use crate::child::STANDBY;
use crate::protocol::{LONGEST, Notice, YOURS};

/// A standby that says nothing for so long is no help.
const PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const PLATFORM: &str = "platform";
pub(crate) const PREVIOUS: &str = "previous";

/// A few words, and the descriptors that they are about.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) text: String,
    pub(crate) descriptors: Vec<Arc<OwnedFd>>,
}

/// All bundles, by their keys: `platform`, `previous`, `deal WORKER NUMBER`, `life WORKER`.
#[derive(Debug, Default)]
pub(crate) struct Estate {
    pub(crate) bundles: BTreeMap<String, Bundle>,
}

/// About the platform; with it go its lock and the socket on which it hears operators.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    pub(crate) clock_anchor: u64,
}

/// About a worker; with it go its process, our end of its control socket and its page of heartbeats, if it lives.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AboutLife {
    pub(crate) pid: u32,
    pub(crate) restarts: u64,
    pub(crate) quick_deaths: u32,
    pub(crate) last_death: Option<(String, u64)>,
    pub(crate) last_gap: Option<u64>,
}

/// A bundle as it is written down for the time of an exec.
#[derive(Serialize, Deserialize)]
struct Written {
    key: String,
    text: String,
    descriptors: Vec<RawFd>,
}

pub(crate) fn deal_key(worker: &str, number: usize) -> String {
    format!("deal {worker} {number:05}")
}

pub(crate) fn life_key(worker: &str) -> String {
    format!("life {worker}")
}

impl Estate {
    pub(crate) fn put(&mut self, key: &str, text: String, descriptors: Vec<Arc<OwnedFd>>) {
        self.bundles.insert(key.to_owned(), Bundle { text, descriptors });
    }

    /// Writes everything down in a file without a name, which the program that is executed next inherits with all
    /// descriptors. If nothing comes of that: [`Estate::keep`].
    pub(crate) fn leave(&self) -> io::Result<File> {
        let written: Vec<Written> = self.bundles.iter().map(Bundle::written).collect();
        let mut file = memory_file().map_err(io::Error::other)?;
        file.write_all(&serde_json::to_vec(&written)?)?;
        file.rewind()?;
        self.inherited(true).map_err(io::Error::other)?;
        inherit(file.as_fd(), true).map_err(io::Error::other)?;
        Ok(file)
    }

    /// Nobody inherits anything.
    pub(crate) fn keep(&self) {
        if let Err(error) = self.inherited(false) {
            tracing::error!(%error, "workers will inherit what is not theirs");
        }
    }

    fn inherited(&self, inherited: bool) -> strowger_io::Result<()> {
        let mut all = self.bundles.values().flat_map(|bundle| &bundle.descriptors);
        all.try_for_each(|descriptor| inherit(descriptor.as_fd(), inherited))
    }

    fn read(file: RawFd) -> io::Result<Estate> {
        let mut text = Vec::new();
        File::from(take_inherited(file).map_err(io::Error::other)?).read_to_end(&mut text)?;
        let mut estate = Estate::default();
        for Written { key, text, descriptors } in serde_json::from_slice::<Vec<Written>>(&text)? {
            let taken = descriptors.into_iter().map(|number| take_inherited(number).map(Arc::new));
            estate.put(&key, text, taken.collect::<Result<_, _>>().map_err(io::Error::other)?);
        }
        Ok(estate)
    }
}

impl Bundle {
    fn written((key, bundle): (&String, &Bundle)) -> Written {
        let descriptors = bundle.descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
        Written { key: key.clone(), text: bundle.text.clone(), descriptors }
    }
}

/// What a predecessor left, as a new supervisor takes it up.
#[derive(Debug)]
pub struct Legacy {
    estate: Estate,
    about: About,
    dealt: BTreeMap<(String, String), Arc<OwnedFd>>,
    /// The connection to the standby that handed it over.
    standby: Option<SeqSocket>,
}

impl Legacy {
    /// Nobody was before us; `lock` says so to everybody else for as long as it is held.
    pub fn none(lock: OwnedFd) -> Self {
        let mut estate = Estate::default();
        estate.put(PLATFORM, String::new(), vec![Arc::new(lock)]);
        Legacy::of(estate, None)
    }

    /// What this program's own predecessor in this process left when it executed it, under descriptor `number`. To
    /// be called once, before anything else opens descriptors.
    pub fn inherited(number: RawFd) -> io::Result<Self> {
        Ok(Legacy::of(Estate::read(number)?, None))
    }

    /// What the standby that listens at `path` keeps of a supervisor that died. `None` if there is no standby, or
    /// if its supervisor lives.
    pub fn claimed(path: &Path) -> strowger_io::Result<Option<Self>> {
        let Ok(standby) = SeqSocket::connect(path) else {
            return Ok(None);
        };
        let poller = Poller::new()?;
        poller.add(&standby, 0, Interest::READ)?;
        let (mut events, until) = (Events::new(1), Instant::now() + PATIENCE);
        let (mut buffer, mut descriptors) = (vec![0; LONGEST], Vec::new());
        let mut estate = Estate::default();
        loop {
            let len = match standby.receive(&mut buffer, &mut descriptors)? {
                Received::Message(len) => len,
                Received::Nothing if Instant::now() < until => {
                    poller.wait(&mut events, Some(until.saturating_duration_since(Instant::now())))?;
                    continue;
                }
                Received::Nothing | Received::Closed => return Ok(None),
            };
            match Notice::decode(&buffer[..len]) {
                Some(Notice::Keep(key, text)) => {
                    estate.put(&key, text, descriptors.drain(..).map(Arc::new).collect());
                }
                _ if &buffer[..len] == YOURS => return Ok(Some(Legacy::of(estate, Some(standby)))),
                _ => return Ok(None),
            }
        }
    }

    fn of(mut estate: Estate, standby: Option<SeqSocket>) -> Self {
        let about = estate.bundles.get(PLATFORM);
        let about = about.and_then(|it| serde_json::from_str(&it.text).ok()).unwrap_or_default();
        let deals = estate.bundles.extract_if(.., |key, _| key.starts_with("deal "));
        let mut dealt = BTreeMap::new();
        for (key, deal) in deals {
            let worker = key.split(' ').nth(1).unwrap_or_default();
            let labels = deal.text.split('\n').map(|label| (worker.to_owned(), label.to_owned()));
            dealt.extend(labels.zip(deal.descriptors));
        }
        Legacy { estate, about, dealt, standby }
    }

    /// The clock that all workers share, if there was a predecessor.
    pub fn clock(&self) -> Option<Clock> {
        (self.about.clock_anchor != 0).then(|| Clock::anchored(self.about.clock_anchor))
    }

    /// What was dealt to `worker` under `label`.
    pub fn take(&mut self, worker: &str, label: &str) -> Option<OwnedFd> {
        let found = self.dealt.remove(&(worker.to_owned(), label.to_owned()))?;
        Arc::try_unwrap(found).ok()
    }

    pub(crate) fn lock(&self) -> Option<Arc<OwnedFd>> {
        self.estate.bundles.get(PLATFORM).and_then(|it| it.descriptors.first()).cloned()
    }

    /// Where operators are heard.
    pub(crate) fn control(&self) -> Option<Arc<OwnedFd>> {
        self.estate.bundles.get(PLATFORM).and_then(|it| it.descriptors.get(1)).cloned()
    }

    /// The program that ran before the one that runs now.
    pub(crate) fn previous(&self) -> Option<Arc<OwnedFd>> {
        self.estate.bundles.get(PREVIOUS).and_then(|it| it.descriptors.first()).cloned()
    }

    /// What is known of `worker`, and the handles of its life: process, control socket, page.
    pub(crate) fn life(&mut self, worker: &str) -> Option<(AboutLife, Option<[OwnedFd; 3]>)> {
        let bundle = self.estate.bundles.remove(&life_key(worker))?;
        let about = serde_json::from_str(&bundle.text).unwrap_or_default();
        let mut handles: Vec<OwnedFd> =
            bundle.descriptors.into_iter().filter_map(|it| Arc::try_unwrap(it).ok()).collect();
        if worker == STANDBY && handles.len() == 2 {
            handles.insert(1, self.standby.take()?.into());
        }
        Some((about, handles.try_into().ok()))
    }

    /// The names of workers that nobody has asked for.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let lives = self.estate.bundles.keys().filter_map(|key| key.strip_prefix("life "));
        lives.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> Arc<OwnedFd> {
        Arc::new(File::open("/dev/null").unwrap().into())
    }

    fn estate() -> Estate {
        let mut estate = Estate::default();
        estate.put(PLATFORM, r#"{"clock_anchor":7}"#.into(), vec![null(), null()]);
        estate.put(&deal_key("media", 0), "bus\nport-00000".into(), vec![null(), null()]);
        let life = AboutLife { pid: 12, restarts: 3, ..AboutLife::default() };
        estate.put(&life_key("media"), serde_json::to_string(&life).unwrap(), vec![null(), null(), null()]);
        estate
    }

    #[test]
    fn labels_and_lives_are_found_again() {
        let mut legacy = Legacy::of(estate(), None);
        assert_eq!(legacy.clock().map(Clock::anchor), Some(7));
        assert!(legacy.lock().is_some() && legacy.control().is_some() && legacy.previous().is_none());
        assert!(legacy.take("media", "port-00000").is_some());
        assert!(legacy.take("media", "port-00000").is_none() && legacy.take("office", "bus").is_none());
        assert_eq!(legacy.strangers(), ["media"]);
        let (about, handles) = legacy.life("media").unwrap();
        assert_eq!((about.pid, about.restarts, handles.is_some()), (12, 3, true));
        assert!(legacy.life("media").is_none() && legacy.strangers().is_empty());
    }

    #[test]
    fn what_the_first_version_wrote_about_a_worker_is_understood() {
        let golden =
            r#"{"pid":12,"restarts":3,"quick_deaths":1,"last_death":["killed by signal 9",5],"last_gap":6}"#;
        let about: AboutLife = serde_json::from_str(golden).unwrap();
        let last_death = Some(("killed by signal 9".to_owned(), 5));
        let expected = AboutLife { pid: 12, restarts: 3, quick_deaths: 1, last_death, last_gap: Some(6) };
        assert_eq!(about, expected);
        assert_eq!(serde_json::to_string(&about).unwrap(), golden);
    }

    #[test]
    fn descriptors_outlive_the_writing_down() {
        let estate = estate();
        let numbers = |estate: &Estate| {
            let all = estate.bundles.values().flat_map(|bundle| bundle.descriptors.iter());
            all.map(|it| it.as_raw_fd()).collect::<Vec<_>>()
        };
        let before = numbers(&estate);
        let file = estate.leave().unwrap();
        // As an exec would: the numbers stay open, and nobody owns them any more.
        let owned = estate.bundles.into_values().flat_map(|bundle| bundle.descriptors);
        owned.for_each(std::mem::forget);
        let read = Estate::read(std::os::fd::IntoRawFd::into_raw_fd(file)).unwrap();
        assert_eq!(numbers(&read), before);
    }
}
