//! What Salesforce and HubSpot answer: files of events, lists, pages and refusals.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("service_answers", data));
