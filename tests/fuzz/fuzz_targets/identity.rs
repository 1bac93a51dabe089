//! Certificates, requests for some, and enrolment tokens, as strangers send them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_collector::fuzzing::run("identity", data));
