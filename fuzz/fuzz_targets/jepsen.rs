#![no_main]
//! See `fuzz::jepsen`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::jepsen(bytes));
