//! Foreign text as it is printed for people.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("printed_text", data));
