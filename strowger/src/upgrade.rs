//! `strowger upgrade`: another program for every process, while calls go on.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host::upgrade::Upgrade;

use crate::Failure;
use crate::config::Config;
use crate::places::Places;

/// So long may the new program take to read the configuration.
const TO_READ: Duration = Duration::from_secs(10);

/// Upgrades the platform that `config` is of to `binary`, or to what lies where the running one was started from.
pub(crate) fn run(config: &Config, file: Option<&Path>, binary: Option<&Path>) -> Result<(), Failure> {
    let places = Places::open(config)?;
    let upgrade = Upgrade { control: places.control(), status: places.status() };
    let binary = match binary {
        Some(named) => named.canonicalize().map_err(|error| format!("{}: {error}", named.display()))?,
        None => upgrade.running()?,
    };
    prove(&binary, file)?;
    upgrade.run(&binary, &mut |step| println!("{step}"))?;
    println!("every process runs {}", binary.display());
    Ok(())
}

/// Has the new program read the configuration, before anything is asked of the platform.
fn prove(binary: &Path, file: Option<&Path>) -> Result<(), Failure> {
    let mut command = Command::new(binary);
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    command.arg("check-config").stdin(Stdio::null()).stdout(Stdio::null());
    let told =
        |problem: String| format!("{} does not start: {problem}; nothing was replaced", binary.display());
    let mut child = command.spawn().map_err(|error| told(error.to_string()))?;
    let until = Instant::now() + TO_READ;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(told(status.to_string()).into()),
            None if Instant::now() >= until => {
                child.kill()?;
                child.wait()?;
                return Err(told(format!("not within {TO_READ:?}")).into());
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
