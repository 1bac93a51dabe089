-- Series of one container, one row per reading: the columns of SeriesKind in
-- proto/src/catalog.rs, in its order (a test in collector/src/schema compares them). Codecs,
-- partitions and TTLs are those of 0006_disk.sql, for the same reasons.
CREATE TABLE IF NOT EXISTS crmscope.container_raw (
    agent_id          LowCardinality(String) CODEC(ZSTD(1)),
    container         LowCardinality(String) CODEC(ZSTD(1)),
    pod               LowCardinality(String) CODEC(ZSTD(1)),
    runtime           LowCardinality(String) CODEC(ZSTD(1)),
    ts                DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms       UInt32 CODEC(T64, ZSTD(1)),
    cpu_us            Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cpu_user_us       Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cpu_system_us     Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cpu_max_us        Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    cpu_periods       Nullable(UInt64) CODEC(T64, ZSTD(1)),
    throttled_periods Nullable(UInt64) CODEC(T64, ZSTD(1)),
    throttled_us      Nullable(UInt64) CODEC(T64, ZSTD(1)),
    memory_bytes      Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    memory_max_bytes  Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    oom_kills         Nullable(UInt64) CODEC(T64, ZSTD(1)),
    read_bytes        Nullable(UInt64) CODEC(T64, ZSTD(1)),
    write_bytes       Nullable(UInt64) CODEC(T64, ZSTD(1)),
    tasks             Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    tasks_max         Nullable(UInt64) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, container, pod, runtime, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of container_raw. The mean of a gauge is X_sum / ticks (X_sum / X_ticks where the gauge may be
-- missing). A rate is X / interval_ms, since interval_ms is the time the rows cover.
CREATE TABLE IF NOT EXISTS crmscope.container_1m (
    agent_id               LowCardinality(String) CODEC(ZSTD(1)),
    container              LowCardinality(String) CODEC(ZSTD(1)),
    pod                    LowCardinality(String) CODEC(ZSTD(1)),
    runtime                LowCardinality(String) CODEC(ZSTD(1)),
    t                      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks                  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms            SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts                SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    cpu_us                 SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    cpu_user_us            SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    cpu_system_us          SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    cpu_max_us_min         SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    cpu_max_us_max         SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    cpu_max_us_sum         SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    cpu_max_us_ticks       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cpu_periods            SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    throttled_periods      SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    throttled_us           SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    memory_bytes_min       SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_bytes_max       SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_bytes_sum       SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_bytes_ticks     SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    memory_max_bytes_min   SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_max_bytes_max   SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_max_bytes_sum   SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_max_bytes_ticks SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    oom_kills              SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    read_bytes             SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    write_bytes            SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    tasks_min              SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_max              SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_sum              SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_ticks            SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    tasks_max_min          SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_max_max          SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_max_sum          SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_max_ticks        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, container, pod, runtime, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.container_1m_view TO crmscope.container_1m AS
SELECT
    r.agent_id AS agent_id,
    r.container AS container,
    r.pod AS pod,
    r.runtime AS runtime,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    sum(r.cpu_us) AS cpu_us,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    min(r.cpu_max_us) AS cpu_max_us_min, max(r.cpu_max_us) AS cpu_max_us_max, sum(r.cpu_max_us) AS cpu_max_us_sum, count(r.cpu_max_us) AS cpu_max_us_ticks,
    sum(r.cpu_periods) AS cpu_periods,
    sum(r.throttled_periods) AS throttled_periods,
    sum(r.throttled_us) AS throttled_us,
    min(r.memory_bytes) AS memory_bytes_min, max(r.memory_bytes) AS memory_bytes_max, sum(r.memory_bytes) AS memory_bytes_sum, count(r.memory_bytes) AS memory_bytes_ticks,
    min(r.memory_max_bytes) AS memory_max_bytes_min, max(r.memory_max_bytes) AS memory_max_bytes_max, sum(r.memory_max_bytes) AS memory_max_bytes_sum, count(r.memory_max_bytes) AS memory_max_bytes_ticks,
    sum(r.oom_kills) AS oom_kills,
    sum(r.read_bytes) AS read_bytes,
    sum(r.write_bytes) AS write_bytes,
    min(r.tasks) AS tasks_min, max(r.tasks) AS tasks_max, sum(r.tasks) AS tasks_sum, count(r.tasks) AS tasks_ticks,
    min(r.tasks_max) AS tasks_max_min, max(r.tasks_max) AS tasks_max_max, sum(r.tasks_max) AS tasks_max_sum, count(r.tasks_max) AS tasks_max_ticks
FROM crmscope.container_raw AS r
GROUP BY agent_id, container, pod, runtime, t;

-- Hours and days of container_1m, each made from the level below as its rows are inserted. Days are kept.
CREATE TABLE IF NOT EXISTS crmscope.container_1h AS crmscope.container_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, container, pod, runtime, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.container_1h_view TO crmscope.container_1h AS
SELECT
    r.agent_id AS agent_id,
    r.container AS container,
    r.pod AS pod,
    r.runtime AS runtime,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.cpu_us) AS cpu_us,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    min(r.cpu_max_us_min) AS cpu_max_us_min, max(r.cpu_max_us_max) AS cpu_max_us_max, sum(r.cpu_max_us_sum) AS cpu_max_us_sum, sum(r.cpu_max_us_ticks) AS cpu_max_us_ticks,
    sum(r.cpu_periods) AS cpu_periods,
    sum(r.throttled_periods) AS throttled_periods,
    sum(r.throttled_us) AS throttled_us,
    min(r.memory_bytes_min) AS memory_bytes_min, max(r.memory_bytes_max) AS memory_bytes_max, sum(r.memory_bytes_sum) AS memory_bytes_sum, sum(r.memory_bytes_ticks) AS memory_bytes_ticks,
    min(r.memory_max_bytes_min) AS memory_max_bytes_min, max(r.memory_max_bytes_max) AS memory_max_bytes_max, sum(r.memory_max_bytes_sum) AS memory_max_bytes_sum, sum(r.memory_max_bytes_ticks) AS memory_max_bytes_ticks,
    sum(r.oom_kills) AS oom_kills,
    sum(r.read_bytes) AS read_bytes,
    sum(r.write_bytes) AS write_bytes,
    min(r.tasks_min) AS tasks_min, max(r.tasks_max) AS tasks_max, sum(r.tasks_sum) AS tasks_sum, sum(r.tasks_ticks) AS tasks_ticks,
    min(r.tasks_max_min) AS tasks_max_min, max(r.tasks_max_max) AS tasks_max_max, sum(r.tasks_max_sum) AS tasks_max_sum, sum(r.tasks_max_ticks) AS tasks_max_ticks
FROM crmscope.container_1m AS r
GROUP BY agent_id, container, pod, runtime, t;

CREATE TABLE IF NOT EXISTS crmscope.container_1d AS crmscope.container_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, container, pod, runtime, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.container_1d_view TO crmscope.container_1d AS
SELECT
    r.agent_id AS agent_id,
    r.container AS container,
    r.pod AS pod,
    r.runtime AS runtime,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.cpu_us) AS cpu_us,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    min(r.cpu_max_us_min) AS cpu_max_us_min, max(r.cpu_max_us_max) AS cpu_max_us_max, sum(r.cpu_max_us_sum) AS cpu_max_us_sum, sum(r.cpu_max_us_ticks) AS cpu_max_us_ticks,
    sum(r.cpu_periods) AS cpu_periods,
    sum(r.throttled_periods) AS throttled_periods,
    sum(r.throttled_us) AS throttled_us,
    min(r.memory_bytes_min) AS memory_bytes_min, max(r.memory_bytes_max) AS memory_bytes_max, sum(r.memory_bytes_sum) AS memory_bytes_sum, sum(r.memory_bytes_ticks) AS memory_bytes_ticks,
    min(r.memory_max_bytes_min) AS memory_max_bytes_min, max(r.memory_max_bytes_max) AS memory_max_bytes_max, sum(r.memory_max_bytes_sum) AS memory_max_bytes_sum, sum(r.memory_max_bytes_ticks) AS memory_max_bytes_ticks,
    sum(r.oom_kills) AS oom_kills,
    sum(r.read_bytes) AS read_bytes,
    sum(r.write_bytes) AS write_bytes,
    min(r.tasks_min) AS tasks_min, max(r.tasks_max) AS tasks_max, sum(r.tasks_sum) AS tasks_sum, sum(r.tasks_ticks) AS tasks_ticks,
    min(r.tasks_max_min) AS tasks_max_min, max(r.tasks_max_max) AS tasks_max_max, sum(r.tasks_max_sum) AS tasks_max_sum, sum(r.tasks_max_ticks) AS tasks_max_ticks
FROM crmscope.container_1h AS r
GROUP BY agent_id, container, pod, runtime, t;
