//! One program for each target: the program's name says which.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lienthong_tests::fuzz::run(env!("CARGO_BIN_NAME"), data));
