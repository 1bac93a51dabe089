-- Series of one network interface, one row per tick: the columns of SeriesKind in proto/src/catalog.rs, in its
-- order (a test in collector/src/schema compares them). Increments are small and close to each
-- other, which T64 packs; gauges move slowly, which Delta packs. A day is a partition, so that the
-- TTL drops whole parts and never rewrites one.
CREATE TABLE IF NOT EXISTS crmscope.interface_raw (
    agent_id         LowCardinality(String) CODEC(ZSTD(1)),
    interface        LowCardinality(String) CODEC(ZSTD(1)),
    ts               DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms      UInt32 CODEC(T64, ZSTD(1)),
    receive_bytes    UInt64 CODEC(T64, ZSTD(1)),
    receive_packets  UInt64 CODEC(T64, ZSTD(1)),
    receive_errors   UInt64 CODEC(T64, ZSTD(1)),
    receive_drops    UInt64 CODEC(T64, ZSTD(1)),
    transmit_bytes   UInt64 CODEC(T64, ZSTD(1)),
    transmit_packets UInt64 CODEC(T64, ZSTD(1)),
    transmit_errors  UInt64 CODEC(T64, ZSTD(1)),
    transmit_drops   UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, interface, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of interface_raw. Sums, minima and maxima merge exactly in any order; the mean of a gauge is
-- X_sum / ticks (X_sum / X_ticks where the gauge may be missing). A rate is X / interval_ms, since
-- interval_ms is the time the rows cover. The deduplication window must stand on view targets too:
-- without it a block that is sent again would be counted twice here and once in the raw table.
CREATE TABLE IF NOT EXISTS crmscope.interface_1m (
    agent_id         LowCardinality(String) CODEC(ZSTD(1)),
    interface        LowCardinality(String) CODEC(ZSTD(1)),
    t                DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks            SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts          SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    receive_bytes    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    receive_packets  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    receive_errors   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    receive_drops    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    transmit_bytes   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    transmit_packets SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    transmit_errors  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    transmit_drops   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, interface, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.interface_1m_view TO crmscope.interface_1m AS
SELECT
    r.agent_id AS agent_id,
    r.interface AS interface,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    sum(r.receive_bytes) AS receive_bytes,
    sum(r.receive_packets) AS receive_packets,
    sum(r.receive_errors) AS receive_errors,
    sum(r.receive_drops) AS receive_drops,
    sum(r.transmit_bytes) AS transmit_bytes,
    sum(r.transmit_packets) AS transmit_packets,
    sum(r.transmit_errors) AS transmit_errors,
    sum(r.transmit_drops) AS transmit_drops
FROM crmscope.interface_raw AS r
GROUP BY agent_id, interface, t;

-- Hours and days of interface_1m, each made from the level below as its rows are inserted, so that the
-- cost of a level falls with its resolution. AS copies columns and codecs; days are kept.
CREATE TABLE IF NOT EXISTS crmscope.interface_1h AS crmscope.interface_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, interface, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.interface_1h_view TO crmscope.interface_1h AS
SELECT
    r.agent_id AS agent_id,
    r.interface AS interface,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.receive_bytes) AS receive_bytes,
    sum(r.receive_packets) AS receive_packets,
    sum(r.receive_errors) AS receive_errors,
    sum(r.receive_drops) AS receive_drops,
    sum(r.transmit_bytes) AS transmit_bytes,
    sum(r.transmit_packets) AS transmit_packets,
    sum(r.transmit_errors) AS transmit_errors,
    sum(r.transmit_drops) AS transmit_drops
FROM crmscope.interface_1m AS r
GROUP BY agent_id, interface, t;

CREATE TABLE IF NOT EXISTS crmscope.interface_1d AS crmscope.interface_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, interface, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.interface_1d_view TO crmscope.interface_1d AS
SELECT
    r.agent_id AS agent_id,
    r.interface AS interface,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.receive_bytes) AS receive_bytes,
    sum(r.receive_packets) AS receive_packets,
    sum(r.receive_errors) AS receive_errors,
    sum(r.receive_drops) AS receive_drops,
    sum(r.transmit_bytes) AS transmit_bytes,
    sum(r.transmit_packets) AS transmit_packets,
    sum(r.transmit_errors) AS transmit_errors,
    sum(r.transmit_drops) AS transmit_drops
FROM crmscope.interface_1h AS r
GROUP BY agent_id, interface, t;
