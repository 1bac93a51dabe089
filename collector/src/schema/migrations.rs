//! The migration files, in the order in which they are applied.
//!
//! An applied file is never edited: a change is a new file and a new line here.

/// One SQL file.
#[derive(Debug)]
pub(super) struct Migration {
    /// The number its name starts with.
    pub(super) version: u32,
    /// File name.
    pub(super) name: &'static str,
    /// Its text.
    pub(super) sql: &'static str,
}

impl Migration {
    /// FNV-1a of the text, in hexadecimal: it is to notice an edit, not to withstand an attack.
    pub(super) fn checksum(&self) -> String {
        let hash = self
            .sql
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("{hash:016x}")
    }
}

macro_rules! file {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../../deploy/clickhouse/migrations/", $name)),
        }
    };
}

/// The file that the history itself rests on; run before the history is read.
pub(super) const FOUNDATION: Migration = file!(1, "0001_foundation.sql");

/// Every migration, the foundation too, so that an edit of it is noticed.
pub(super) const MIGRATIONS: &[Migration] = &[
    FOUNDATION,
    file!(2, "0002_functions.sql"),
    file!(3, "0003_host_raw.sql"),
    file!(4, "0004_host_minutes.sql"),
    file!(5, "0005_host_hours_days.sql"),
    file!(6, "0006_disk.sql"),
    file!(7, "0007_filesystem.sql"),
    file!(8, "0008_interface.sql"),
    file!(9, "0009_source.sql"),
    file!(10, "0010_requests.sql"),
    file!(11, "0011_security.sql"),
    file!(12, "0012_presence.sql"),
    file!(13, "0013_ledger.sql"),
    file!(14, "0014_agents.sql"),
    file!(15, "0015_request_upstream.sql"),
    file!(16, "0016_request_clients.sql"),
    file!(17, "0017_request_exemplars.sql"),
    file!(18, "0018_security_records.sql"),
    file!(19, "0019_transport.sql"),
    file!(20, "0020_process.sql"),
    file!(21, "0021_unit.sql"),
    file!(22, "0022_container.sql"),
    file!(23, "0023_sensor_clock.sql"),
    file!(24, "0024_counter_resets.sql"),
    file!(25, "0025_shedding.sql"),
    file!(26, "0026_log_partition.sql"),
    file!(27, "0027_spool_state.sql"),
    file!(29, "0029_lost_lines.sql"),
    file!(30, "0030_ledger_range_times.sql"),
    file!(31, "0031_presence_evidence.sql"),
    file!(32, "0032_hosts.sql"),
    file!(33, "0033_notifications.sql"),
    file!(34, "0034_maintenance.sql"),
    file!(35, "0035_probe.sql"),
    file!(37, "0037_presence_hours.sql"),
    file!(38, "0038_service_hours.sql"),
    file!(39, "0039_security_rules.sql"),
    file!(40, "0040_rules_in_force.sql"),
    file!(41, "0041_findings.sql"),
    file!(42, "0042_security_chain.sql"),
    file!(44, "0044_delivered_rules.sql"),
    file!(45, "0045_rule_targets.sql"),
    file!(46, "0046_user_activity.sql"),
    file!(47, "0047_user_logins.sql"),
    file!(48, "0048_baselines.sql"),
    file!(49, "0049_service_requests.sql"),
    file!(50, "0050_identity.sql"),
    file!(51, "0051_journal_tables.sql"),
    file!(52, "0052_delivered_settings.sql"),
    file!(53, "0053_log_positions.sql"),
    file!(54, "0054_ledger_spans.sql"),
    file!(55, "0055_user_rollup_starts.sql"),
];
