#![no_main]
//! See `fuzz::scenario`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::scenario(bytes));
