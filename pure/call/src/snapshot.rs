use serde::{Deserialize, Serialize};

use crate::Call;

/// The format that this release writes.
const FORMAT: u16 = 2;

/// A snapshot that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are no call.
    #[error("a snapshot of {length} bytes is no call: {source}")]
    Unreadable {
        /// How many there are.
        length: usize,
        /// What broke.
        source: rmp_serde::decode::Error,
    },
    /// A later release wrote it, in a way that this one can't know.
    #[error("a snapshot of format {found}, only {FORMAT} and lower are known")]
    Later {
        /// Its format.
        found: u16,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    format: u16,
    call: &'a Call,
}

#[derive(Deserialize)]
struct Read {
    call: Call,
}

#[derive(Deserialize)]
struct Format {
    #[serde(default)]
    format: u16,
}

impl Call {
    /// The whole call, to be kept before anything is said.
    ///
    /// # Panics
    /// Never: a call holds nothing that MessagePack lacks.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4096);
        self.snapshot_into(&mut bytes);
        bytes
    }

    /// The same, behind what `bytes` holds already.
    ///
    /// # Panics
    /// Never: a call holds nothing that MessagePack lacks.
    pub fn snapshot_into(&self, bytes: &mut Vec<u8>) {
        if let Err(error) = machine::pack::write(&Written { format: FORMAT, call: self }, bytes) {
            unreachable!("a call that MessagePack cannot hold: {error}");
        }
    }

    /// Reads a snapshot of this or an earlier release.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn restore(bytes: &[u8]) -> Result<Call, SnapshotError> {
        let unreadable = |source| SnapshotError::Unreadable { length: bytes.len(), source };
        let Format { format } = rmp_serde::from_slice(bytes).map_err(unreadable)?;
        if format > FORMAT {
            return Err(SnapshotError::Later { found: format });
        }
        let Read { call } = rmp_serde::from_slice(bytes).map_err(unreadable)?;
        Ok(call)
    }
}
