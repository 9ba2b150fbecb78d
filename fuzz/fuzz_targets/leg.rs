//! A peer that says and does anything to a leg: its transactions, dialog, session timer and offers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strowger_sip::fuzzing_leg::play(data));
