#![no_main]
//! See `fuzz::history`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::history(bytes));
