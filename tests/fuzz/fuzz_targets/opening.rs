#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pogw_fuzz::properties::opening(bytes));
