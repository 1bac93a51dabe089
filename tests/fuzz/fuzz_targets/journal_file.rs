//! A file of the journal, and what is written to it between looks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("journal_file", data));
