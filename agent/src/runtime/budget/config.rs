//! The ceilings.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Subject;

const MIB: u64 = 1024 * 1024;

/// What the agent may cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// CPU time of the agent, percent of one core.
    pub cpu_max_percent: u32,
    /// Resident memory of the agent.
    pub memory_max_bytes: u64,
    /// Bytes of batches that are sent a second, on average.
    pub network_max_bytes_per_s: u64,
    /// What the spool may hold over all lanes; their quotas add up to no more.
    pub disk_max_bytes: u64,
    /// What is measured is averaged over this time, and a step is taken at its end at most.
    pub hold_ms: u64,
    /// How long it must be calm before a step back.
    pub calm_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cpu_max_percent: 10,
            memory_max_bytes: 64 * MIB,
            network_max_bytes_per_s: MIB,
            disk_max_bytes: 1024 * MIB,
            hold_ms: 10_000,
            calm_ms: 60_000,
        }
    }
}

impl Config {
    /// Checks the bounds, and that the spool's quotas, which add up to `quotas_bytes`, fit.
    ///
    /// # Errors
    /// Names the key that is out of bounds, and what it may be.
    pub fn validate(&self, quotas_bytes: u64) -> Result<(), String> {
        for (key, value, least, most) in [
            ("cpu_max_percent", self.cpu_max_percent.into(), 1, 100_000),
            ("memory_max_bytes", self.memory_max_bytes, 8 * MIB, 1 << 50),
            (
                "network_max_bytes_per_s",
                self.network_max_bytes_per_s,
                4_096,
                1 << 40,
            ),
            ("disk_max_bytes", self.disk_max_bytes, 16 * MIB, 1 << 60),
            ("hold_ms", self.hold_ms, 1_000, 600_000),
            ("calm_ms", self.calm_ms, self.hold_ms, 3_600_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("budget.{key} is {value}; use {least} to {most}"));
            }
        }
        if quotas_bytes > self.disk_max_bytes {
            return Err(format!(
                "the quotas of spool.*_max_bytes add up to {quotas_bytes}, more than budget.disk_max_bytes = {}; \
                 lower a quota or raise the ceiling",
                self.disk_max_bytes
            ));
        }
        Ok(())
    }
}

/// What `crmscope-agent budget` prints.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cpu_max_percent,
            memory_max_bytes,
            network_max_bytes_per_s,
            disk_max_bytes,
            hold_ms,
            calm_ms,
        } = self;
        writeln!(f, "Ceilings")?;
        writeln!(f, "  cpu      {cpu_max_percent} % of one core")?;
        writeln!(f, "  memory   {memory_max_bytes} bytes resident")?;
        writeln!(f, "  network  {network_max_bytes_per_s} bytes a second")?;
        writeln!(
            f,
            "  disk     {disk_max_bytes} bytes in the spool, within each lane's quota"
        )?;
        writeln!(
            f,
            "Near one for {hold_ms} ms, one more of these is shed; after {calm_ms} ms of calm, the last comes back"
        )?;
        for (position, subject) in Subject::ORDER.iter().enumerate() {
            writeln!(
                f,
                "  {} {:<8} {}",
                position + 1,
                subject.name(),
                subject.text()
            )?;
        }
        writeln!(
            f,
            "Never shed: request totals, security events, heartbeats, records of what was dropped"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_mistakes_are_named() {
        let quotas_bytes = crate::spool::Config::default().total_bytes();
        assert_eq!(Config::default().validate(quotas_bytes), Ok(()));
        type Mistake = (&'static str, fn(&mut Config));
        let mistakes: [Mistake; 8] = [
            ("budget.cpu_max_percent is 0", |c| c.cpu_max_percent = 0),
            ("budget.memory_max_bytes is 1", |c| c.memory_max_bytes = 1),
            ("budget.network_max_bytes_per_s is 0", |c| {
                c.network_max_bytes_per_s = 0;
            }),
            ("budget.disk_max_bytes is 0", |c| c.disk_max_bytes = 0),
            ("budget.hold_ms is 999", |c| c.hold_ms = 999),
            ("budget.calm_ms is 9999", |c| c.calm_ms = 9_999),
            ("budget.calm_ms", |c| c.calm_ms = u64::MAX),
            ("budget.disk_max_bytes = 33554432", |c| {
                c.disk_max_bytes = 32 * MIB;
            }),
        ];
        for (said, mistake) in mistakes {
            let mut config = Config::default();
            mistake(&mut config);
            let error = config.validate(quotas_bytes).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
