//! What systemctl, chronyc and the kernel answer, and the table of mounts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("program_output", data));
