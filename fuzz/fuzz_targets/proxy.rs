#![no_main]
//! See `fuzz::proxy`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::proxy(bytes));
