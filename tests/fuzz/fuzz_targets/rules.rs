//! Sigma rules, and lines that they are asked about.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("rules", data));
