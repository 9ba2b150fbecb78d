//! Codecs, tones, DTMF and WAV files.
