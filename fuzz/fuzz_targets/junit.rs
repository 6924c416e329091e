#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run_tests::fuzzing::junit(bytes));
