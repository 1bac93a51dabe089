//! What PostgreSQL and MariaDB answer to a login and a query.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crmscope_agent::fuzzing::run("database_messages", data));
