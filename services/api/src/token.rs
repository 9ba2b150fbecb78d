use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use machine::Moment;
use sha2::{Digest, Sha256};
use store::{Store, StoreError, Token};

use crate::ApiError;

/// In which file of the data folder the first token is.
pub const FILE: &str = "api-token";

const NAME: &str = "first";
/// How long to wait for a store that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// What is kept of a token.
pub(crate) fn hash(token: &str) -> String {
    hexadecimal(&Sha256::digest(token.as_bytes()))
}

/// A new token.
pub(crate) fn make() -> Result<String, ApiError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::NoRandomness(error.to_string()))?;
    Ok(format!("strowger_{}", hexadecimal(&bytes)))
}

/// Makes the platform's first token, or takes up the one that is there.
pub(crate) async fn prepare(data: &Path, store: &Store, now: Moment) -> Result<(), ApiError> {
    let path = data.join(FILE);
    let failed = |source| ApiError::Token { path: path.clone(), source };
    let token = match read(&path) {
        Ok(token) => token,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = make()?;
            write(&path, &token).map_err(failed)?;
            token
        }
        Err(error) => return Err(failed(error)),
    };
    let hash = hash(&token);
    match keep(store, now, &hash).await {
        Err(error) if error.is_away() => {
            let store = store.clone();
            tokio::spawn(async move {
                while let Err(error) = keep(&store, now, &hash).await {
                    tracing::debug!(%error, "the first token waits for the store");
                    tokio::time::sleep(AGAIN).await;
                }
            });
            Ok(())
        }
        done => Ok(done?),
    }
}

async fn keep(store: &Store, now: Moment, hash: &str) -> Result<(), StoreError> {
    if store.tokens().find(hash).await?.is_none() {
        store.tokens().add(now, hash, &Token { name: NAME.into(), tenant: None }).await?;
    }
    Ok(())
}

/// The token in `path`.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
    }
    Ok(token.to_owned())
}

/// Nobody else can read it, at no time, and nobody sees half of it.
fn write(path: &Path, token: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    std::fs::rename(beside, path)
}

/// Lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
