-- The rules that collectors want an agent to have: its newest row counts. Read with FINAL, or by argMax
-- over changed_at. A host without a role and group that a set asks for has the sets for everybody.
CREATE TABLE IF NOT EXISTS crmscope.rule_targets (
    agent_id   String CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    sets       Array(String) CODEC(ZSTD(1)),
    -- As in heartbeats.rules_delivered_version; 0 is no rule.
    version    UInt64 CODEC(ZSTD(1)),
    rules      UInt32 CODEC(ZSTD(1)),
    refused    UInt32 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY agent_id
SETTINGS non_replicated_deduplication_window = 10000;
