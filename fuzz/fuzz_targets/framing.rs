//! A stream from anywhere, in one piece and in pieces as long as the first byte says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strowger_sip::fuzzing::framing(bytes));
