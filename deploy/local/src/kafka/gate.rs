//! Whether tests that need a broker run, are skipped, or fail.

use super::{KafkaError, fetch};
use crate::download::line;

/// Set to 1 where a missing broker must be a failure, as on CI.
const REQUIRE: &str = "CRMSCOPE_REQUIRE_KAFKA";

/// Whether brokers can be had here: Java, and the jars, which are fetched now where they are missing.
///
/// # Errors
/// Why not, and what to do.
pub fn is_here() -> Result<(), KafkaError> {
    fetch::ensure().map(|_| ())
}

/// For the first line of a test that needs a broker: whether to go on. Where not, says so on
/// standard error, past the capture of test output.
///
/// # Errors
/// Why there is no broker, where `CRMSCOPE_REQUIRE_KAFKA=1` makes that a failure.
pub fn gate() -> Result<bool, KafkaError> {
    decide(is_here(), std::env::var(REQUIRE).as_deref() == Ok("1"))
}

fn decide(here: Result<(), KafkaError>, required: bool) -> Result<bool, KafkaError> {
    match here {
        Ok(()) => Ok(true),
        Err(error) if required => Err(error),
        Err(error) => {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test");
            line(&format!(
                "SKIPPED: {test} needs a Kafka broker, and none can be had: {error} ({REQUIRE}=1 makes this a failure)"
            ));
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_broker_skips_or_fails_as_asked() {
        let missing = || Err(KafkaError::Java("no java".to_owned()));
        assert!(decide(Ok(()), true).unwrap());
        assert!(decide(Ok(()), false).unwrap());
        assert!(!decide(missing(), false).unwrap());
        let error = decide(missing(), true).unwrap_err().to_string();
        assert_eq!(error, "no java");
    }
}
