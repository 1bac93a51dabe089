//! Access logs, from bytes to a batch.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("access_log", data));
