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

/// For the first line of a scenario that needs the programs of the version before: whether to go on.
///
/// Where they are not, says so on standard error and returns false; with
/// `CRMSCOPE_REQUIRE_PREVIOUS=1` that is a failure.
///
/// # Panics
/// When they are required, or named, and not there.
#[must_use]
pub fn previous() -> bool {
    crate::released::gate().unwrap_or_else(|error| panic!("{error}"))
}
