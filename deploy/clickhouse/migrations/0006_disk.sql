-- Series of one block device, one row per tick: the columns of SeriesKind in proto/src/catalog.rs, in its
-- order (a test in collector/src/schema compares them). Increments are small and close to each
-- other, which T64 packs; gauges move slowly, which Delta packs. A day is a partition, so that the
-- TTL drops whole parts and never rewrites one.
CREATE TABLE IF NOT EXISTS crmscope.disk_raw (
    agent_id            LowCardinality(String) CODEC(ZSTD(1)),
    device              LowCardinality(String) CODEC(ZSTD(1)),
    ts                  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms         UInt32 CODEC(T64, ZSTD(1)),
    reads               UInt64 CODEC(T64, ZSTD(1)),
    read_bytes          UInt64 CODEC(T64, ZSTD(1)),
    read_time_us        UInt64 CODEC(T64, ZSTD(1)),
    writes              UInt64 CODEC(T64, ZSTD(1)),
    write_bytes         UInt64 CODEC(T64, ZSTD(1)),
    write_time_us       UInt64 CODEC(T64, ZSTD(1)),
    in_progress         UInt64 CODEC(Delta, ZSTD(1)),
    io_time_us          UInt64 CODEC(T64, ZSTD(1)),
    weighted_io_time_us UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, device, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of disk_raw. Sums, minima and maxima merge exactly in any order; the mean of a gauge is
-- X_sum / ticks (X_sum / X_ticks where the gauge may be missing). A rate is X / interval_ms, since
-- interval_ms is the time the rows cover. The deduplication window must stand on view targets too:
-- without it a block that is sent again would be counted twice here and once in the raw table.
CREATE TABLE IF NOT EXISTS crmscope.disk_1m (
    agent_id            LowCardinality(String) CODEC(ZSTD(1)),
    device              LowCardinality(String) CODEC(ZSTD(1)),
    t                   DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks               SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms         SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts             SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    reads               SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    read_bytes          SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    read_time_us        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    writes              SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    write_bytes         SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    write_time_us       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    in_progress_min     SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    in_progress_max     SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    in_progress_sum     SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    io_time_us          SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    weighted_io_time_us SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, device, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.disk_1m_view TO crmscope.disk_1m AS
SELECT
    r.agent_id AS agent_id,
    r.device AS device,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    sum(r.reads) AS reads,
    sum(r.read_bytes) AS read_bytes,
    sum(r.read_time_us) AS read_time_us,
    sum(r.writes) AS writes,
    sum(r.write_bytes) AS write_bytes,
    sum(r.write_time_us) AS write_time_us,
    min(r.in_progress) AS in_progress_min, max(r.in_progress) AS in_progress_max, sum(r.in_progress) AS in_progress_sum,
    sum(r.io_time_us) AS io_time_us,
    sum(r.weighted_io_time_us) AS weighted_io_time_us
FROM crmscope.disk_raw AS r
GROUP BY agent_id, device, t;

-- Hours and days of disk_1m, each made from the level below as its rows are inserted, so that the
-- cost of a level falls with its resolution. AS copies columns and codecs; days are kept.
CREATE TABLE IF NOT EXISTS crmscope.disk_1h AS crmscope.disk_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, device, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.disk_1h_view TO crmscope.disk_1h AS
SELECT
    r.agent_id AS agent_id,
    r.device AS device,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.reads) AS reads,
    sum(r.read_bytes) AS read_bytes,
    sum(r.read_time_us) AS read_time_us,
    sum(r.writes) AS writes,
    sum(r.write_bytes) AS write_bytes,
    sum(r.write_time_us) AS write_time_us,
    min(r.in_progress_min) AS in_progress_min, max(r.in_progress_max) AS in_progress_max, sum(r.in_progress_sum) AS in_progress_sum,
    sum(r.io_time_us) AS io_time_us,
    sum(r.weighted_io_time_us) AS weighted_io_time_us
FROM crmscope.disk_1m AS r
GROUP BY agent_id, device, t;

CREATE TABLE IF NOT EXISTS crmscope.disk_1d AS crmscope.disk_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, device, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.disk_1d_view TO crmscope.disk_1d AS
SELECT
    r.agent_id AS agent_id,
    r.device AS device,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.reads) AS reads,
    sum(r.read_bytes) AS read_bytes,
    sum(r.read_time_us) AS read_time_us,
    sum(r.writes) AS writes,
    sum(r.write_bytes) AS write_bytes,
    sum(r.write_time_us) AS write_time_us,
    min(r.in_progress_min) AS in_progress_min, max(r.in_progress_max) AS in_progress_max, sum(r.in_progress_sum) AS in_progress_sum,
    sum(r.io_time_us) AS io_time_us,
    sum(r.weighted_io_time_us) AS weighted_io_time_us
FROM crmscope.disk_1h AS r
GROUP BY agent_id, device, t;
