//! Lines of the journal, of authentication logs, of auditd and of applications.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("security_log", data));
