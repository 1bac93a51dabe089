//! What a scenario needs beside Rust, and whether it may do without.

/// For the first line of a scenario that needs Kafka: whether to go on.
///
/// Where no broker can be had, says so on standard error and returns false; with
/// `CRMSCOPE_REQUIRE_KAFKA=1` that is a failure.
///
/// # Panics
/// When no broker can be had though one is required.
#[must_use]
pub fn kafka() -> bool {
    crmscope_local::kafka::gate().unwrap_or_else(|error| panic!("no Kafka broker: {error}"))
}
