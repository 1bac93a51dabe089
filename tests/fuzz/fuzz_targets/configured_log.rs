//! Logs as the user describes them: patterns and fields as well as lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("configured_log", data));
