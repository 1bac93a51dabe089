-- Series of one mounted file system, one row per tick: the columns of SeriesKind in proto/src/catalog.rs, in its
-- order (a test in collector/src/schema compares them). Increments are small and close to each
-- other, which T64 packs; gauges move slowly, which Delta packs. A day is a partition, so that the
-- TTL drops whole parts and never rewrites one.
CREATE TABLE IF NOT EXISTS crmscope.filesystem_raw (
    agent_id        LowCardinality(String) CODEC(ZSTD(1)),
    mount_point     LowCardinality(String) CODEC(ZSTD(1)),
    device          LowCardinality(String) CODEC(ZSTD(1)),
    filesystem_type LowCardinality(String) CODEC(ZSTD(1)),
    ts              DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms     UInt32 CODEC(T64, ZSTD(1)),
    size_bytes      UInt64 CODEC(Delta, ZSTD(1)),
    free_bytes      UInt64 CODEC(Delta, ZSTD(1)),
    available_bytes UInt64 CODEC(Delta, ZSTD(1)),
    inodes          UInt64 CODEC(Delta, ZSTD(1)),
    inodes_free     UInt64 CODEC(Delta, ZSTD(1)),
    read_only       UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, mount_point, device, filesystem_type, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of filesystem_raw. Sums, minima and maxima merge exactly in any order; the mean of a gauge is
-- X_sum / ticks (X_sum / X_ticks where the gauge may be missing). A rate is X / interval_ms, since
-- interval_ms is the time the rows cover. The deduplication window must stand on view targets too:
-- without it a block that is sent again would be counted twice here and once in the raw table.
CREATE TABLE IF NOT EXISTS crmscope.filesystem_1m (
    agent_id            LowCardinality(String) CODEC(ZSTD(1)),
    mount_point         LowCardinality(String) CODEC(ZSTD(1)),
    device              LowCardinality(String) CODEC(ZSTD(1)),
    filesystem_type     LowCardinality(String) CODEC(ZSTD(1)),
    t                   DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks               SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms         SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts             SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    size_bytes_min      SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    size_bytes_max      SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    size_bytes_sum      SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    free_bytes_min      SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    free_bytes_max      SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    free_bytes_sum      SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    available_bytes_min SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    available_bytes_max SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    available_bytes_sum SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    inodes_min          SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    inodes_max          SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    inodes_sum          SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    inodes_free_min     SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    inodes_free_max     SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    inodes_free_sum     SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    read_only_min       SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    read_only_max       SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    read_only_sum       SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, mount_point, device, filesystem_type, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.filesystem_1m_view TO crmscope.filesystem_1m AS
SELECT
    r.agent_id AS agent_id,
    r.mount_point AS mount_point,
    r.device AS device,
    r.filesystem_type AS filesystem_type,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    min(r.size_bytes) AS size_bytes_min, max(r.size_bytes) AS size_bytes_max, sum(r.size_bytes) AS size_bytes_sum,
    min(r.free_bytes) AS free_bytes_min, max(r.free_bytes) AS free_bytes_max, sum(r.free_bytes) AS free_bytes_sum,
    min(r.available_bytes) AS available_bytes_min, max(r.available_bytes) AS available_bytes_max, sum(r.available_bytes) AS available_bytes_sum,
    min(r.inodes) AS inodes_min, max(r.inodes) AS inodes_max, sum(r.inodes) AS inodes_sum,
    min(r.inodes_free) AS inodes_free_min, max(r.inodes_free) AS inodes_free_max, sum(r.inodes_free) AS inodes_free_sum,
    min(r.read_only) AS read_only_min, max(r.read_only) AS read_only_max, sum(r.read_only) AS read_only_sum
FROM crmscope.filesystem_raw AS r
GROUP BY agent_id, mount_point, device, filesystem_type, t;

-- Hours and days of filesystem_1m, each made from the level below as its rows are inserted, so that the
-- cost of a level falls with its resolution. AS copies columns and codecs; days are kept.
CREATE TABLE IF NOT EXISTS crmscope.filesystem_1h AS crmscope.filesystem_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, mount_point, device, filesystem_type, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.filesystem_1h_view TO crmscope.filesystem_1h AS
SELECT
    r.agent_id AS agent_id,
    r.mount_point AS mount_point,
    r.device AS device,
    r.filesystem_type AS filesystem_type,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.size_bytes_min) AS size_bytes_min, max(r.size_bytes_max) AS size_bytes_max, sum(r.size_bytes_sum) AS size_bytes_sum,
    min(r.free_bytes_min) AS free_bytes_min, max(r.free_bytes_max) AS free_bytes_max, sum(r.free_bytes_sum) AS free_bytes_sum,
    min(r.available_bytes_min) AS available_bytes_min, max(r.available_bytes_max) AS available_bytes_max, sum(r.available_bytes_sum) AS available_bytes_sum,
    min(r.inodes_min) AS inodes_min, max(r.inodes_max) AS inodes_max, sum(r.inodes_sum) AS inodes_sum,
    min(r.inodes_free_min) AS inodes_free_min, max(r.inodes_free_max) AS inodes_free_max, sum(r.inodes_free_sum) AS inodes_free_sum,
    min(r.read_only_min) AS read_only_min, max(r.read_only_max) AS read_only_max, sum(r.read_only_sum) AS read_only_sum
FROM crmscope.filesystem_1m AS r
GROUP BY agent_id, mount_point, device, filesystem_type, t;

CREATE TABLE IF NOT EXISTS crmscope.filesystem_1d AS crmscope.filesystem_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, mount_point, device, filesystem_type, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.filesystem_1d_view TO crmscope.filesystem_1d AS
SELECT
    r.agent_id AS agent_id,
    r.mount_point AS mount_point,
    r.device AS device,
    r.filesystem_type AS filesystem_type,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.size_bytes_min) AS size_bytes_min, max(r.size_bytes_max) AS size_bytes_max, sum(r.size_bytes_sum) AS size_bytes_sum,
    min(r.free_bytes_min) AS free_bytes_min, max(r.free_bytes_max) AS free_bytes_max, sum(r.free_bytes_sum) AS free_bytes_sum,
    min(r.available_bytes_min) AS available_bytes_min, max(r.available_bytes_max) AS available_bytes_max, sum(r.available_bytes_sum) AS available_bytes_sum,
    min(r.inodes_min) AS inodes_min, max(r.inodes_max) AS inodes_max, sum(r.inodes_sum) AS inodes_sum,
    min(r.inodes_free_min) AS inodes_free_min, max(r.inodes_free_max) AS inodes_free_max, sum(r.inodes_free_sum) AS inodes_free_sum,
    min(r.read_only_min) AS read_only_min, max(r.read_only_max) AS read_only_max, sum(r.read_only_sum) AS read_only_sum
FROM crmscope.filesystem_1h AS r
GROUP BY agent_id, mount_point, device, filesystem_type, t;
