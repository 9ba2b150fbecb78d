//! A datagram from anywhere: parsed, read, checked, rewritten, answered, parsed again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strowger_sip::fuzzing::message(bytes));
