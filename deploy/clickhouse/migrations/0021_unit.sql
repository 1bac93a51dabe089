-- Series of one watched unit of systemd, one row per reading: the columns of SeriesKind in
-- proto/src/catalog.rs, in its order (a test in collector/src/schema compares them). Codecs,
-- partitions and TTLs are those of 0006_disk.sql, for the same reasons.
CREATE TABLE IF NOT EXISTS crmscope.unit_raw (
    agent_id           LowCardinality(String) CODEC(ZSTD(1)),
    unit               LowCardinality(String) CODEC(ZSTD(1)),
    ts                 DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms        UInt32 CODEC(T64, ZSTD(1)),
    loaded             UInt64 CODEC(Delta, ZSTD(1)),
    active_state       UInt64 CODEC(Delta, ZSTD(1)),
    sub_state          UInt64 CODEC(Delta, ZSTD(1)),
    automatic_restarts Nullable(UInt64) CODEC(T64, ZSTD(1)),
    starts             Nullable(UInt64) CODEC(T64, ZSTD(1)),
    main_pid           Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    since_change_ms    Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    memory_bytes       Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    cpu_us             Nullable(UInt64) CODEC(T64, ZSTD(1)),
    tasks              Nullable(UInt64) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, unit, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of unit_raw. The mean of a gauge is X_sum / ticks (X_sum / X_ticks where the gauge may be
-- missing). A rate is X / interval_ms, since interval_ms is the time the rows cover.
CREATE TABLE IF NOT EXISTS crmscope.unit_1m (
    agent_id              LowCardinality(String) CODEC(ZSTD(1)),
    unit                  LowCardinality(String) CODEC(ZSTD(1)),
    t                     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks                 SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms           SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts               SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    loaded_min            SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    loaded_max            SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    loaded_sum            SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    active_state_min      SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    active_state_max      SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    active_state_sum      SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    sub_state_min         SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    sub_state_max         SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    sub_state_sum         SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    automatic_restarts    SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    starts                SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    main_pid_min          SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    main_pid_max          SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    main_pid_sum          SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    main_pid_ticks        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    since_change_ms_min   SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    since_change_ms_max   SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    since_change_ms_sum   SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    since_change_ms_ticks SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    memory_bytes_min      SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_bytes_max      SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_bytes_sum      SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    memory_bytes_ticks    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cpu_us                SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    tasks_min             SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_max             SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_sum             SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tasks_ticks           SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, unit, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.unit_1m_view TO crmscope.unit_1m AS
SELECT
    r.agent_id AS agent_id,
    r.unit AS unit,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    min(r.loaded) AS loaded_min, max(r.loaded) AS loaded_max, sum(r.loaded) AS loaded_sum,
    min(r.active_state) AS active_state_min, max(r.active_state) AS active_state_max, sum(r.active_state) AS active_state_sum,
    min(r.sub_state) AS sub_state_min, max(r.sub_state) AS sub_state_max, sum(r.sub_state) AS sub_state_sum,
    sum(r.automatic_restarts) AS automatic_restarts,
    sum(r.starts) AS starts,
    min(r.main_pid) AS main_pid_min, max(r.main_pid) AS main_pid_max, sum(r.main_pid) AS main_pid_sum, count(r.main_pid) AS main_pid_ticks,
    min(r.since_change_ms) AS since_change_ms_min, max(r.since_change_ms) AS since_change_ms_max, sum(r.since_change_ms) AS since_change_ms_sum, count(r.since_change_ms) AS since_change_ms_ticks,
    min(r.memory_bytes) AS memory_bytes_min, max(r.memory_bytes) AS memory_bytes_max, sum(r.memory_bytes) AS memory_bytes_sum, count(r.memory_bytes) AS memory_bytes_ticks,
    sum(r.cpu_us) AS cpu_us,
    min(r.tasks) AS tasks_min, max(r.tasks) AS tasks_max, sum(r.tasks) AS tasks_sum, count(r.tasks) AS tasks_ticks
FROM crmscope.unit_raw AS r
GROUP BY agent_id, unit, t;

-- Hours and days of unit_1m, each made from the level below as its rows are inserted. Days are kept.
CREATE TABLE IF NOT EXISTS crmscope.unit_1h AS crmscope.unit_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, unit, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.unit_1h_view TO crmscope.unit_1h AS
SELECT
    r.agent_id AS agent_id,
    r.unit AS unit,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.loaded_min) AS loaded_min, max(r.loaded_max) AS loaded_max, sum(r.loaded_sum) AS loaded_sum,
    min(r.active_state_min) AS active_state_min, max(r.active_state_max) AS active_state_max, sum(r.active_state_sum) AS active_state_sum,
    min(r.sub_state_min) AS sub_state_min, max(r.sub_state_max) AS sub_state_max, sum(r.sub_state_sum) AS sub_state_sum,
    sum(r.automatic_restarts) AS automatic_restarts,
    sum(r.starts) AS starts,
    min(r.main_pid_min) AS main_pid_min, max(r.main_pid_max) AS main_pid_max, sum(r.main_pid_sum) AS main_pid_sum, sum(r.main_pid_ticks) AS main_pid_ticks,
    min(r.since_change_ms_min) AS since_change_ms_min, max(r.since_change_ms_max) AS since_change_ms_max, sum(r.since_change_ms_sum) AS since_change_ms_sum, sum(r.since_change_ms_ticks) AS since_change_ms_ticks,
    min(r.memory_bytes_min) AS memory_bytes_min, max(r.memory_bytes_max) AS memory_bytes_max, sum(r.memory_bytes_sum) AS memory_bytes_sum, sum(r.memory_bytes_ticks) AS memory_bytes_ticks,
    sum(r.cpu_us) AS cpu_us,
    min(r.tasks_min) AS tasks_min, max(r.tasks_max) AS tasks_max, sum(r.tasks_sum) AS tasks_sum, sum(r.tasks_ticks) AS tasks_ticks
FROM crmscope.unit_1m AS r
GROUP BY agent_id, unit, t;

CREATE TABLE IF NOT EXISTS crmscope.unit_1d AS crmscope.unit_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, unit, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.unit_1d_view TO crmscope.unit_1d AS
SELECT
    r.agent_id AS agent_id,
    r.unit AS unit,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.loaded_min) AS loaded_min, max(r.loaded_max) AS loaded_max, sum(r.loaded_sum) AS loaded_sum,
    min(r.active_state_min) AS active_state_min, max(r.active_state_max) AS active_state_max, sum(r.active_state_sum) AS active_state_sum,
    min(r.sub_state_min) AS sub_state_min, max(r.sub_state_max) AS sub_state_max, sum(r.sub_state_sum) AS sub_state_sum,
    sum(r.automatic_restarts) AS automatic_restarts,
    sum(r.starts) AS starts,
    min(r.main_pid_min) AS main_pid_min, max(r.main_pid_max) AS main_pid_max, sum(r.main_pid_sum) AS main_pid_sum, sum(r.main_pid_ticks) AS main_pid_ticks,
    min(r.since_change_ms_min) AS since_change_ms_min, max(r.since_change_ms_max) AS since_change_ms_max, sum(r.since_change_ms_sum) AS since_change_ms_sum, sum(r.since_change_ms_ticks) AS since_change_ms_ticks,
    min(r.memory_bytes_min) AS memory_bytes_min, max(r.memory_bytes_max) AS memory_bytes_max, sum(r.memory_bytes_sum) AS memory_bytes_sum, sum(r.memory_bytes_ticks) AS memory_bytes_ticks,
    sum(r.cpu_us) AS cpu_us,
    min(r.tasks_min) AS tasks_min, max(r.tasks_max) AS tasks_max, sum(r.tasks_sum) AS tasks_sum, sum(r.tasks_ticks) AS tasks_ticks
FROM crmscope.unit_1h AS r
GROUP BY agent_id, unit, t;
