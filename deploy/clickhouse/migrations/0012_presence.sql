-- Heartbeats: what the judgement of host, network and agent rests on. ts is the agent's wall clock;
-- boottime_ms and monotonic_ms tell a suspended host from a silent one.
CREATE TABLE IF NOT EXISTS crmscope.heartbeats (
    agent_id             LowCardinality(String) CODEC(ZSTD(1)),
    boot_id              UUID CODEC(ZSTD(1)),
    start_id             UUID CODEC(ZSTD(1)),
    spool_id             UUID CODEC(ZSTD(1)),
    ts                   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    boottime_ms          UInt64 CODEC(Delta, ZSTD(1)),
    monotonic_ms         UInt64 CODEC(Delta, ZSTD(1)),
    uptime_ms            UInt64 CODEC(Delta, ZSTD(1)),
    beat                 UInt64 CODEC(Delta, ZSTD(1)),
    agent_cpu_us         UInt64 CODEC(Delta, ZSTD(1)),
    agent_resident_bytes UInt64 CODEC(Delta, ZSTD(1)),
    clock_offset_ms      Nullable(Int64) CODEC(Delta, ZSTD(1)),
    config_version       UInt64 CODEC(Delta, ZSTD(1)),
    goodbye              UInt8 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, ts)
TTL toDateTime(ts) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Bit i of `up` is set when a beat fell into seconds 10i to 10i + 9 of the minute. OR is idempotent:
-- a replay, a duplicate or a back-fill weeks late leaves what is already right as it is.
CREATE TABLE IF NOT EXISTS crmscope.presence_1m (
    agent_id LowCardinality(String) CODEC(ZSTD(1)),
    t        DateTime('UTC') CODEC(Delta, ZSTD(1)),
    up       SimpleAggregateFunction(groupBitOr, UInt64) CODEC(T64, ZSTD(1)),
    last_ts  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.presence_1m_view TO crmscope.presence_1m AS
SELECT
    r.agent_id AS agent_id,
    toStartOfMinute(r.ts) AS t,
    groupBitOr(bitShiftLeft(toUInt64(1), intDiv(toSecond(r.ts), 10))) AS up,
    max(r.ts) AS last_ts
FROM crmscope.heartbeats AS r
GROUP BY agent_id, t;

-- Slots of 10 s since 1970 in which a beat fell; bitmapCardinality(groupBitmapMergeState(…)) × 10 s
-- is the time seen up. Bitmaps, because expected and maintenance slots are then subtracted exactly.
CREATE TABLE IF NOT EXISTS crmscope.presence_1h (
    agent_id LowCardinality(String) CODEC(ZSTD(1)),
    t        DateTime('UTC') CODEC(Delta, ZSTD(1)),
    up_slots AggregateFunction(groupBitmap, UInt32) CODEC(ZSTD(1)),
    last_ts  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- From the heartbeats and not from presence_1m: bits would have to be unpacked again.
CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.presence_1h_view TO crmscope.presence_1h AS
SELECT
    r.agent_id AS agent_id,
    toStartOfHour(r.ts) AS t,
    groupBitmapState(toUInt32(intDiv(toUnixTimestamp(r.ts), 10))) AS up_slots,
    max(r.ts) AS last_ts
FROM crmscope.heartbeats AS r
GROUP BY agent_id, t;

CREATE TABLE IF NOT EXISTS crmscope.presence_1d AS crmscope.presence_1h
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.presence_1d_view TO crmscope.presence_1d AS
SELECT
    r.agent_id AS agent_id,
    toStartOfDay(r.t) AS t,
    groupBitmapMergeState(r.up_slots) AS up_slots,
    max(r.last_ts) AS last_ts
FROM crmscope.presence_1h AS r
GROUP BY agent_id, t;

-- Where an agent's own accounting stood with each beat: next_sequence tells the ledger of batches
-- that exist and were never seen here.
CREATE TABLE IF NOT EXISTS crmscope.lane_states (
    agent_id        LowCardinality(String) CODEC(ZSTD(1)),
    spool_id        UUID CODEC(ZSTD(1)),
    lane            Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    ts              DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    next_sequence   UInt64 CODEC(Delta, ZSTD(1)),
    acked_sequence  UInt64 CODEC(Delta, ZSTD(1)),
    queued_batches  UInt64 CODEC(Delta, ZSTD(1)),
    queued_bytes    UInt64 CODEC(Delta, ZSTD(1)),
    dropped_batches UInt64 CODEC(Delta, ZSTD(1)),
    dropped_items   UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, spool_id, lane, ts)
TTL toDateTime(ts) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
