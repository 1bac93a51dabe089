//! `try-log`: a guess over any bytes, and its report.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("try_log", data));
