#![no_main]
//! See `fuzz::kafkatest`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::kafkatest(bytes));
