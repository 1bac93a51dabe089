//! Saved positions of followed logs, any bytes or made-up figures.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("checkpoint", data));
