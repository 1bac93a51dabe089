-- Series of one of the agent's own sources, one row per tick: the columns of SeriesKind in proto/src/catalog.rs, in its
-- order (a test in collector/src/schema compares them). Increments are small and close to each
-- other, which T64 packs; gauges move slowly, which Delta packs. A day is a partition, so that the
-- TTL drops whole parts and never rewrites one.
CREATE TABLE IF NOT EXISTS crmscope.source_raw (
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    source      LowCardinality(String) CODEC(ZSTD(1)),
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms UInt32 CODEC(T64, ZSTD(1)),
    runs        UInt64 CODEC(T64, ZSTD(1)),
    failures    UInt64 CODEC(T64, ZSTD(1)),
    timeouts    UInt64 CODEC(T64, ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    items       UInt64 CODEC(T64, ZSTD(1)),
    unparsed    UInt64 CODEC(T64, ZSTD(1)),
    dropped     UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, source, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of source_raw. Sums, minima and maxima merge exactly in any order; the mean of a gauge is
-- X_sum / ticks (X_sum / X_ticks where the gauge may be missing). A rate is X / interval_ms, since
-- interval_ms is the time the rows cover. The deduplication window must stand on view targets too:
-- without it a block that is sent again would be counted twice here and once in the raw table.
CREATE TABLE IF NOT EXISTS crmscope.source_1m (
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    source      LowCardinality(String) CODEC(ZSTD(1)),
    t           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts     SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    runs        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    failures    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    timeouts    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    duration_us SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    items       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    unparsed    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    dropped     SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, source, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.source_1m_view TO crmscope.source_1m AS
SELECT
    r.agent_id AS agent_id,
    r.source AS source,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    sum(r.runs) AS runs,
    sum(r.failures) AS failures,
    sum(r.timeouts) AS timeouts,
    sum(r.duration_us) AS duration_us,
    sum(r.items) AS items,
    sum(r.unparsed) AS unparsed,
    sum(r.dropped) AS dropped
FROM crmscope.source_raw AS r
GROUP BY agent_id, source, t;

-- Hours and days of source_1m, each made from the level below as its rows are inserted, so that the
-- cost of a level falls with its resolution. AS copies columns and codecs; days are kept.
CREATE TABLE IF NOT EXISTS crmscope.source_1h AS crmscope.source_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, source, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.source_1h_view TO crmscope.source_1h AS
SELECT
    r.agent_id AS agent_id,
    r.source AS source,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.runs) AS runs,
    sum(r.failures) AS failures,
    sum(r.timeouts) AS timeouts,
    sum(r.duration_us) AS duration_us,
    sum(r.items) AS items,
    sum(r.unparsed) AS unparsed,
    sum(r.dropped) AS dropped
FROM crmscope.source_1m AS r
GROUP BY agent_id, source, t;

CREATE TABLE IF NOT EXISTS crmscope.source_1d AS crmscope.source_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, source, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.source_1d_view TO crmscope.source_1d AS
SELECT
    r.agent_id AS agent_id,
    r.source AS source,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.runs) AS runs,
    sum(r.failures) AS failures,
    sum(r.timeouts) AS timeouts,
    sum(r.duration_us) AS duration_us,
    sum(r.items) AS items,
    sum(r.unparsed) AS unparsed,
    sum(r.dropped) AS dropped
FROM crmscope.source_1h AS r
GROUP BY agent_id, source, t;
