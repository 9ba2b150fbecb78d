//! How a supervisor is followed by another one: by exec in its own place, or by one that is started after its death.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use strowger_io::{Bond, SeqListener, SeqSocket, Signal};

use crate::child::{Child, STANDBY};
use crate::control::{self, Answer, Request};
use crate::estate::{About, Bundle, Estate, Legacy, PLATFORM, PREVIOUS, life_key};
use crate::supervisor::{Supervisor, WorkerSpec};

/// What makes workers outlive their supervisor.
#[derive(Debug)]
pub struct Succession {
    /// The worker that runs [`crate::standby::run`].
    pub standby: WorkerSpec,
    /// What a predecessor left.
    pub legacy: Legacy,
    /// Where operators are heard: a socket's path in a folder that is ours alone.
    pub control: PathBuf,
    /// What this program is given to be the supervisor, without [`INHERIT`].
    pub successor: Vec<OsString>,
}

/// The last argument but one of a supervisor that was executed by its predecessor; the last is the number of the
/// descriptor for [`Legacy::inherited`].
pub const INHERIT: &str = "--inherit";

/// What a supervisor has in hand for its successor, besides workers.
pub(crate) struct Heirs {
    lock: Option<Arc<OwnedFd>>,
    listener: SeqListener,
    listening: Arc<OwnedFd>,
}

impl Heirs {
    /// Takes up what `legacy` says.
    pub(crate) fn of(
        mut legacy: Legacy,
        control: &Path,
        successor: Vec<OsString>,
        supervisor: &mut Supervisor,
    ) -> strowger_io::Result<Heirs> {
        let terms = &mut supervisor.terms;
        terms.bond = Bond::LivesOn;
        terms.previous = legacy.previous();
        terms.successor = successor;
        // Set by systemd for the process that it started itself.
        terms.looked_after =
            std::env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string());
        supervisor.children.iter_mut().for_each(|child| child.adopt(&mut legacy));
        dismiss_strangers(&mut legacy);
        let listening = match legacy.control() {
            Some(inherited) => inherited,
            None => Arc::new(control::listen(control)?.into()),
        };
        let duplicate = listening.try_clone().map_err(|source| strowger_io::Error {
            operation: "duplicate",
            about: control.display().to_string(),
            source,
        })?;
        Ok(Heirs { lock: legacy.lock(), listener: duplicate.into(), listening })
    }

    pub(crate) fn listener(&self) -> &SeqListener {
        &self.listener
    }

    pub(crate) fn accept(&self) -> Option<SeqSocket> {
        self.listener.accept().ok().flatten()
    }
}

/// Workers of a predecessor that this version or this configuration does not have.
fn dismiss_strangers(legacy: &mut Legacy) {
    for name in legacy.strangers() {
        let Some((about, Some([process, ..]))) = legacy.life(&name) else {
            continue;
        };
        tracing::info!(worker = name, pid = about.pid, "is not needed any more");
        if let Err(error) = strowger_io::Pidfd::over(process, about.pid).signal(Signal::Terminate) {
            tracing::warn!(worker = name, %error, "can't be ended");
        }
    }
}

impl Supervisor {
    /// Tells the standby of each life that it has not heard of; a new standby of everything.
    pub(crate) fn bequeath(&mut self) {
        if self.heirs.is_none() || self.children.iter().all(|child| !child.fresh) {
            return;
        }
        let Some(at) = self.children.iter().position(|child| child.name == STANDBY) else {
            return;
        };
        let news: Vec<(String, Bundle)> = if self.children[at].fresh {
            self.estate().bundles.into_iter().collect()
        } else {
            let fresh = self.children.iter().filter(|child| child.fresh);
            fresh.map(|child| (life_key(&child.name), child.life_bequeathed())).collect()
        };
        self.children.iter_mut().for_each(|child| child.fresh = false);
        let standby = &mut self.children[at];
        for (key, mut bundle) in news {
            // It would never see our end close if it held it itself.
            if key == life_key(STANDBY) && bundle.descriptors.len() == 3 {
                bundle.descriptors.remove(1);
            }
            standby.tell_to_keep(&key, bundle);
        }
        standby.flush();
    }

    /// All that a successor needs.
    fn estate(&self) -> Estate {
        let mut estate = Estate::default();
        let about = About { clock_anchor: self.terms.clock_anchor };
        let held = self.heirs.iter().flat_map(|it| it.lock.iter().chain([&it.listening])).cloned().collect();
        estate.put(PLATFORM, serde_json::to_string(&about).unwrap_or_default(), held);
        if let Some(previous) = &self.terms.previous {
            estate.put(PREVIOUS, String::new(), vec![Arc::clone(previous)]);
        }
        for (key, Bundle { text, descriptors }) in self.children.iter().flat_map(Child::bequeathed) {
            estate.put(&key, text, descriptors);
        }
        estate
    }

    /// Does what an operator asks for.
    pub(crate) fn grant(&mut self, request: Request, asker: SeqSocket) {
        match request {
            Request::Ping => Answer::Here.give(&asker),
            Request::Execute(program) => {
                let Err(why) = self.execute(&program);
                tracing::warn!(why, "goes on as it is");
                Answer::Failed(why).give(&asker);
            }
            Request::Replace(name) => match self.children.iter_mut().find(|child| child.name == name) {
                Some(child) if self.stop_by.is_none() => child.replace(asker, &self.terms),
                _ => Answer::Failed(format!("no worker {name} runs here")).give(&asker),
            },
        }
    }

    /// Goes on as `program`, in this very process. Returns only if nothing came of it.
    fn execute(&self, program: &OwnedFd) -> Result<std::convert::Infallible, String> {
        let restless = self.children.iter().find(|child| !child.is_settled());
        if let Some(child) = restless.filter(|_| self.stop_by.is_none()) {
            return Err(format!("{} is not ready", child.name));
        }
        if self.stop_by.is_some() {
            return Err("the platform is being stopped".to_owned());
        }
        let own = File::open("/proc/self/exe").map_err(|error| format!("its own program: {error}"))?;
        let mut estate = self.estate();
        estate.put(PREVIOUS, String::new(), vec![Arc::new(own.into())]);
        let file = estate.leave().map_err(|error| error.to_string())?;
        let program = format!("/proc/self/fd/{}", program.as_raw_fd());
        let called = std::fs::read_link(&program).unwrap_or_else(|_| PathBuf::from(&program));
        tracing::info!(program = %called.display(), "goes on as another program");
        let mut command = Command::new(&program);
        command.arg0(&called).args(&self.terms.successor);
        let error = command.arg(INHERIT).arg(file.as_raw_fd().to_string()).exec();
        estate.keep();
        Err(format!("{}: {error}", called.display()))
    }
}
