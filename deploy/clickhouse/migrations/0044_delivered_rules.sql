-- Of the agent's rules, those that a collector delivered: whether it takes any, the version in force and
-- the one attempted last, and how many of them are in force. 0 also of agents that do not tell.
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_takes_delivered UInt8 CODEC(ZSTD(1)) AFTER rules_unnamed;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_delivered_version UInt64 CODEC(ZSTD(1)) AFTER rules_takes_delivered;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_delivered_attempted_version UInt64 CODEC(ZSTD(1)) AFTER rules_delivered_version;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_delivered UInt32 CODEC(ZSTD(1)) AFTER rules_delivered_attempted_version;

-- What an agent refused of the rules it read last, up to 32, with the heartbeat that told it: when they
-- change, and every hour. attempted_version is the heartbeat's.
CREATE TABLE IF NOT EXISTS crmscope.refused_rules (
    agent_id          LowCardinality(String) CODEC(ZSTD(1)),
    ts                DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    position          UInt32 CODEC(ZSTD(1)),
    attempted_version UInt64 CODEC(ZSTD(1)),
    -- Whether a collector delivered it; then file begins with the name of the set.
    delivered         UInt8 CODEC(ZSTD(1)),
    file              String CODEC(ZSTD(1)),
    -- From 1; 0 where it is about the whole file or set.
    line              UInt32 CODEC(ZSTD(1)),
    reason            String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, ts, position)
TTL toDateTime(ts) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
