//! The wire: an uncompressed payload of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("batch", data));
