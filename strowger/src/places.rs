//! Where things lie: what must outlast the host's memory in the data folder, what must only outlast a process
//! in the runtime folder on tmpfs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use machine::{CellId, Secret};
use siphasher::sip::SipHasher13;

use crate::config::Config;

/// The folders of one platform.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Store, disk logs, keys.
    pub(crate) data: PathBuf,
    /// Journals, bus sockets, status.
    pub(crate) runtime: PathBuf,
    /// The file with the platform's secret.
    pub(crate) secret: PathBuf,
}

/// A folder or file that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {source}", path.display())]
pub(crate) struct PlaceError {
    path: PathBuf,
    what: &'static str,
    source: io::Error,
}

fn at<'a>(path: &'a Path, what: &'static str) -> impl FnOnce(io::Error) -> PlaceError + 'a {
    move |source| PlaceError { path: path.to_owned(), what, source }
}

impl Places {
    /// The folders that `config` names, made if they are not there.
    pub(crate) fn open(config: &Config) -> Result<Places, PlaceError> {
        make(&config.data)?;
        let data = config.data.canonicalize().map_err(at(&config.data, "the data folder"))?;
        let runtime =
            if config.runtime.as_os_str().is_empty() { below_shm(&data) } else { config.runtime.clone() };
        make(&runtime)?;
        let named = &config.cluster.secret;
        let secret = if named.as_os_str().is_empty() { data.join("secret") } else { named.clone() };
        Ok(Places { data, runtime, secret })
    }

    /// Makes sure that nobody else runs a platform on these folders, for as long as the file is held.
    pub(crate) fn lock(&self) -> Result<File, PlaceError> {
        let path = self.data.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(at(&path, "the lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                let source =
                    io::Error::new(io::ErrorKind::AddrInUse, "a platform runs on this data folder already");
                Err(at(&path, "the lock")(source))
            }
            Err(TryLockError::Error(source)) => Err(at(&path, "the lock")(source)),
        }
    }

    /// A number that is another one whenever the journals of calls have begun anew: they lie in the same folder.
    pub(crate) fn life(&self) -> Result<u64, PlaceError> {
        let path = self.runtime.join("life");
        let kept = fs::read(&path).ok().and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        if let Some(life) = kept {
            return Ok(life);
        }
        let mut fresh = [0; 8];
        getrandom::fill(&mut fresh)
            .map_err(|error| at(&path, "randomness")(io::Error::other(error.to_string())))?;
        fs::write(&path, fresh).map_err(at(&path, "when this host began"))?;
        Ok(u64::from_le_bytes(fresh))
    }

    /// The platform's secret: made once, from then on the same. Without it no identifier of a call in progress
    /// is ours any more.
    pub(crate) fn secret(&self) -> Result<Secret, PlaceError> {
        let path = self.secret.clone();
        if !path.exists() {
            let mut fresh = [0; 16];
            getrandom::fill(&mut fresh)
                .map_err(|error| at(&path, "randomness")(io::Error::other(error.to_string())))?;
            let mut file = OpenOptions::new()
                .create_new(true)
                .write(true)
                .mode(0o600)
                .open(&path)
                .map_err(at(&path, "the secret"))?;
            file.write_all(&fresh).and_then(|()| file.sync_all()).map_err(at(&path, "the secret"))?;
        }
        let mut bytes = [0; 16];
        let mut file = File::open(&path).map_err(at(&path, "the secret"))?;
        file.read_exact(&mut bytes).map_err(at(&path, "the secret (16 bytes)"))?;
        Ok(Secret::new(bytes))
    }

    /// The journal of signalling thread `thread`.
    pub(crate) fn journal(&self, thread: u16) -> PathBuf {
        self.runtime.join(format!("journal-signalling-{thread}"))
    }

    /// The journal of billing.
    pub(crate) fn billing_journal(&self) -> PathBuf {
        self.runtime.join("journal-billing")
    }

    /// What the follower of thread `thread` wrote to disk.
    pub(crate) fn disk_log(&self, thread: u16) -> PathBuf {
        self.data.join(format!("signalling-{thread}.log"))
    }

    /// For how many signalling threads journals and disk logs are.
    pub(crate) fn signalling_threads(&self) -> PathBuf {
        self.data.join("signalling-threads")
    }

    /// What the brokers agreed on last.
    pub(crate) fn view(&self) -> PathBuf {
        self.data.join("cluster")
    }

    /// What another cell's brokers agreed on last, as far as the broker of this host heard.
    pub(crate) fn view_of(&self, cell: CellId) -> PathBuf {
        let mut name = self.view().into_os_string();
        name.push(format!("-{cell}"));
        name.into()
    }

    /// What happened in calls, for others to hear.
    pub(crate) fn streams(&self) -> PathBuf {
        self.data.join("streams")
    }

    /// What the broker of this host must not forget.
    pub(crate) fn broker(&self) -> PathBuf {
        self.data.join("broker")
    }

    /// The ladder memory of signalling thread `thread`.
    pub(crate) fn ladder(&self, thread: u16) -> PathBuf {
        self.runtime.join(format!("ladder-{thread}"))
    }

    /// What the supervisor tells of its workers.
    pub(crate) fn status(&self) -> PathBuf {
        self.runtime.join("status.json")
    }

    /// Where the supervisor hears `strowger upgrade`.
    pub(crate) fn control(&self) -> PathBuf {
        self.runtime.join("control")
    }

    /// Where a supervisor's successor finds what it left.
    pub(crate) fn standby(&self) -> PathBuf {
        self.runtime.join("standby")
    }

    /// Inputs that were set aside, for people to look at.
    pub(crate) fn quarantine(&self) -> PathBuf {
        self.data.join("quarantine")
    }
}

fn make(path: &Path) -> Result<(), PlaceError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path, "making the folder"))
}

fn below_shm(data: &Path) -> PathBuf {
    let name = SipHasher13::new().hash(data.as_os_str().as_encoded_bytes());
    PathBuf::from(format!("/dev/shm/strowger-{name:016x}"))
}
