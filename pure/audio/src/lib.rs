//! Sound as samples of 16 bits: codecs, files, rates, tones, digits in the sound, and whether two recordings
//! are of the same thing.
//!
//! | wanted | found in | from |
//! |---|---|---|
//! | G.711 | [`Law`] | ITU-T G.711 |
//! | WAV files | [`Wav`], [`WavWriter`] | |
//! | another sampling rate | [`Resampler`], [`resample`] | |
//! | dial tone, ringback, busy | [`Tone`], [`Signal`], [`progress`] | ITU-T E.180 |
//! | digits in the sound | [`dtmf`] | ITU-T Q.23, Q.24 |
//! | something for a lost packet | [`Concealment`] | after ITU-T G.711 Appendix I |
//! | whether it is what was played | [`compare`] | |

pub mod dtmf;
pub mod progress;

mod compare;
mod concealment;
mod fourier;
mod g711;
mod resample;
mod tone;
mod wav;
mod wav_writer;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod speech;

pub use compare::{Comparison, compare};
pub use concealment::Concealment;
pub use g711::Law;
pub use resample::{Resampler, resample};
pub use tone::{Signal, Tone};
pub use wav::{Encoding, Wav, WavError};
pub use wav_writer::WavWriter;
