-- What of a collector's settings the agent has: whether it takes any, the version in force (0 is its own
-- file) and the one that came last, whether those in force are on probation, whether the last ones were in
-- force and taken back, and why they are not in force. 0 and empty also of agents that do not tell.
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS settings_takes_delivered UInt8 CODEC(ZSTD(1)) AFTER rules_delivered;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS settings_version UInt64 CODEC(ZSTD(1)) AFTER settings_takes_delivered;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS settings_attempted_version UInt64 CODEC(ZSTD(1)) AFTER settings_version;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS settings_on_probation UInt8 CODEC(ZSTD(1)) AFTER settings_attempted_version;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS settings_rolled_back UInt8 CODEC(ZSTD(1)) AFTER settings_on_probation;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS settings_error String CODEC(ZSTD(1)) AFTER settings_rolled_back;

-- The settings that collectors want an agent to have: its newest row counts. Read with FINAL, or by argMax
-- over changed_at. A host without a role and group that a set asks for has the sets for everybody.
CREATE TABLE IF NOT EXISTS crmscope.settings_targets (
    agent_id   String CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    sets       Array(String) CODEC(ZSTD(1)),
    -- As in heartbeats.settings_version; 0 is the agent's own file.
    version    UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY agent_id
SETTINGS non_replicated_deduplication_window = 10000;
