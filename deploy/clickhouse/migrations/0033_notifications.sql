-- What became of each notification of an incident: one row for each incident, phase and target, written
-- right after the receiver took it, or refused it for good. A collector that takes over reads it, so that
-- nobody is told twice. `delivered_at` is when the last attempt ended.
CREATE TABLE IF NOT EXISTS crmscope.notifications (
    incident_id  UUID CODEC(ZSTD(1)),
    phase        Enum8('firing' = 1, 'resolved' = 2),
    target       LowCardinality(String) CODEC(ZSTD(1)),
    outcome      Enum8('delivered' = 1, 'given_up' = 2),
    kind         LowCardinality(String) CODEC(ZSTD(1)),
    agent_id     LowCardinality(String) CODEC(ZSTD(1)),
    delivered_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    attempts     UInt32 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(delivered_at)
ORDER BY (incident_id, phase, target)
TTL toDateTime(delivered_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
