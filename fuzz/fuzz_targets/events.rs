#![no_main]
//! See `fuzz::events`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::events(bytes));
