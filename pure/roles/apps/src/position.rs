use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An app's position as it travels: MessagePack with named fields under a format number.
#[derive(Serialize, Deserialize)]
struct Wrapped<T> {
    format: u8,
    at: T,
}

#[derive(Deserialize)]
struct Format {
    format: u8,
}

/// Reads the position in `bytes`. An empty or unreadable one, or one of a format that is not ours, is the
/// beginning: an app that lost its place starts over rather than end the call.
pub(crate) fn read<T: DeserializeOwned + Default>(format: u8, bytes: &[u8]) -> T {
    let written: Option<Format> = rmp_serde::from_slice(bytes).ok();
    if written.is_none_or(|written| written.format != format) {
        return T::default();
    }
    rmp_serde::from_slice::<Wrapped<T>>(bytes).map(|wrapped| wrapped.at).unwrap_or_default()
}

/// Writes a position of `format`.
pub(crate) fn write<T: Serialize>(format: u8, at: T) -> Vec<u8> {
    // A position is plain data; what could not be written would read as the beginning.
    rmp_serde::to_vec_named(&Wrapped { format, at }).unwrap_or_default()
}
