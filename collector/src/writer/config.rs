//! How blocks are made.

use serde::{Deserialize, Serialize};

/// Section `[writer]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Longest a batch waits for its block to fill, ms.
    pub flush_interval_ms: u64,
    /// Rows at which a block is full.
    pub block_max_rows: usize,
    /// Memory at which a block is full, bytes.
    pub block_max_bytes: usize,
    /// Memory that batches may hold until they are settled, bytes.
    pub queue_max_bytes: usize,
    /// Memory that records of the log may hold until they are settled, all partitions together, bytes.
    pub read_max_bytes: usize,
    /// How full the queue is when agents are asked to pause, percent.
    pub throttle_percent: u8,
    /// First pause before an insert is repeated, ms.
    pub retry_initial_ms: u64,
    /// Longest such pause, ms.
    pub retry_max_ms: u64,
    /// High-water marks kept in memory.
    pub marks_max: usize,
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Outside of its range.
    #[error("writer.{key} is {got}; it must be {min} to {max}")]
    Range {
        /// Key.
        key: &'static str,
        /// Value.
        got: u64,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            flush_interval_ms: 1000,
            block_max_rows: 250_000,
            block_max_bytes: 64 << 20,
            queue_max_bytes: 256 << 20,
            read_max_bytes: 256 << 20,
            throttle_percent: 75,
            retry_initial_ms: 200,
            retry_max_ms: 15_000,
            marks_max: 1_000_000,
        }
    }
}

impl Config {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the first key that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let ranges: [(&'static str, u64, u64, u64); 9] = [
            ("flush_interval_ms", self.flush_interval_ms, 1, 60_000),
            // With one batch on top, an insert stays below a million rows and 128 MB: one block.
            ("block_max_rows", self.block_max_rows as u64, 1, 600_000),
            (
                "block_max_bytes",
                self.block_max_bytes as u64,
                1 << 16,
                90 << 20,
            ),
            (
                "queue_max_bytes",
                self.queue_max_bytes as u64,
                1 << 20,
                1 << 40,
            ),
            (
                "read_max_bytes",
                self.read_max_bytes as u64,
                1 << 20,
                1 << 40,
            ),
            ("throttle_percent", self.throttle_percent.into(), 1, 100),
            ("retry_initial_ms", self.retry_initial_ms, 1, 60_000),
            ("retry_max_ms", self.retry_max_ms, 1, 600_000),
            ("marks_max", self.marks_max as u64, 1000, 1 << 32),
        ];
        match ranges
            .into_iter()
            .find(|(_, got, min, max)| got < min || got > max)
        {
            None => Ok(()),
            Some((key, got, min, max)) => Err(ConfigError::Range { key, got, min, max }),
        }
    }
}
