-- The database, and what the migration runner itself needs. This file is run at every start, before
-- the runner reads what was applied; so it may hold nothing but IF NOT EXISTS.

-- Atomic, because the embedded engine's own `default` database also resolves table names to files.
CREATE DATABASE IF NOT EXISTS crmscope ENGINE = Atomic;

-- One row per migration. Two collectors that migrate together both write it; the merge keeps one.
CREATE TABLE IF NOT EXISTS crmscope.schema_migrations (
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY (version, checksum)
SETTINGS non_replicated_deduplication_window = 10000;

-- Readiness is a row that was written, not a port that answers.
CREATE TABLE IF NOT EXISTS crmscope.write_probe (
    probed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    collector String
)
ENGINE = MergeTree
ORDER BY probed_at
TTL toDateTime(probed_at) + INTERVAL 1 HOUR
SETTINGS non_replicated_deduplication_window = 10000;
