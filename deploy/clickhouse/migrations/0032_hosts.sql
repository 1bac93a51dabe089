-- What is expected of hosts: a row for every change, by whom and when; the newest row of an agent is in
-- force. A host without a row is expected from its first heartbeat on.
CREATE TABLE IF NOT EXISTS crmscope.host_changes (
    agent_id       String CODEC(ZSTD(1)),
    changed_at     DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    changed_by     String CODEC(ZSTD(1)),
    role           LowCardinality(String) CODEC(ZSTD(1)),
    host_group     LowCardinality(String) CODEC(ZSTD(1)),
    -- Unix ms; 0: from the first heartbeat on.
    expected_since_ms Int64 CODEC(ZSTD(1)),
    -- Unix ms; 0: not retired.
    retired_at_ms     Int64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (agent_id, changed_at)
SETTINGS non_replicated_deduplication_window = 10000;

-- Heartbeats in the order in which they were stored, for the detector, which asks every second for the
-- new ones. stored_at is the clock of ClickHouse alone.
CREATE TABLE IF NOT EXISTS crmscope.arrivals (
    stored_at   DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    start_id    UUID CODEC(ZSTD(1)),
    beat        UInt64 CODEC(Delta, ZSTD(1)),
    goodbye     UInt8 CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- How long after it was made it was received, by the measured difference of the clocks.
    late_ms     Int64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(stored_at)
ORDER BY (stored_at, agent_id)
TTL toDateTime(stored_at) + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- What the detector thought of each host, whenever that changed.
CREATE TABLE IF NOT EXISTS crmscope.host_states (
    agent_id   LowCardinality(String) CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    state      Enum8('unknown' = 0, 'up' = 1, 'suspect' = 2, 'down' = 3, 'maintenance' = 4, 'retired' = 5) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (agent_id, changed_at)
TTL toDateTime(changed_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Incidents as they were last: one row each once merged, so read with FINAL. ended_ms is 0 while it lasts.
CREATE TABLE IF NOT EXISTS crmscope.incidents (
    incident_id UUID CODEC(ZSTD(1)),
    kind        LowCardinality(String) CODEC(ZSTD(1)),
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    role        LowCardinality(String) CODEC(ZSTD(1)),
    host_group  LowCardinality(String) CODEC(ZSTD(1)),
    objective   LowCardinality(String) CODEC(ZSTD(1)),
    began_ms    Int64 CODEC(ZSTD(1)),
    ended_ms    Int64 CODEC(ZSTD(1)),
    summary     String CODEC(ZSTD(1)),
    version     UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(began_ms, 'UTC'))
ORDER BY (began_ms, incident_id)
TTL toDateTime(fromUnixTimestamp64Milli(began_ms, 'UTC')) + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
