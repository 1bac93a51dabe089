//! What the rows of the lane requests must be.

use crmscope_proto::Sketch;
use crmscope_proto::payload::Contents;

use super::Rejection;
use super::checks::reject;

/// Longest network, bytes: an IPv6 network in full has 43.
const NETWORK_MAX_BYTES: usize = 64;

/// Checks every row; `time` says whether a time is near enough to the collector's clock.
pub(super) fn check(
    contents: &Contents,
    time: &impl Fn(&str, i64) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    for row in &contents.requests {
        time("a request bucket", row.bucket_start_ms)?;
        check_sketch("latency", &row.latency)?;
        check_sketch("upstream", &row.upstream)?;
    }
    for row in &contents.clients {
        time("a window of client networks", row.window_start_ms)?;
        check_network(&row.network)?;
        let errors = row.client_errors.checked_add(row.server_errors);
        if errors.is_none_or(|errors| errors > row.requests) {
            return reject(
                "value_out_of_range",
                format!(
                    "a client network has {} and {} errors in {} requests",
                    row.client_errors, row.server_errors, row.requests
                ),
            );
        }
    }
    for row in &contents.exemplars {
        time("an exemplar", row.time_ms)?;
        check_network(&row.network)?;
    }
    for row in &contents.sampling {
        time("a bucket of exemplars", row.bucket_start_ms)?;
        if row.kept > row.eligible {
            return reject(
                "value_out_of_range",
                format!(
                    "{} exemplars were kept of {} requests",
                    row.kept, row.eligible
                ),
            );
        }
    }
    Ok(())
}

fn check_sketch(what: &str, sketch: &Sketch) -> Result<(), Rejection> {
    let sum = sketch
        .buckets()
        .try_fold(0u64, |sum, (_, count)| sum.checked_add(count));
    match sum {
        Some(_) => Ok(()),
        None => reject(
            "value_out_of_range",
            format!("{what} counts of a row overflow"),
        ),
    }
}

fn check_network(network: &str) -> Result<(), Rejection> {
    if network.len() <= NETWORK_MAX_BYTES {
        return Ok(());
    }
    reject(
        "value_out_of_range",
        format!(
            "a client network has {} bytes, the limit is {NETWORK_MAX_BYTES}",
            network.len()
        ),
    )
}
