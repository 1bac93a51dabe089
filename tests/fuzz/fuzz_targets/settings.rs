//! Settings of a collector, as they travel and as they are written.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("settings", data));
