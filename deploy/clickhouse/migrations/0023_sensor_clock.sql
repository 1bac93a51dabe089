-- Series of one temperature sensor, one row per reading: the columns of SeriesKind in
-- proto/src/catalog.rs, in its order (a test in collector/src/schema compares them). Codecs,
-- partitions and TTLs are those of 0006_disk.sql, for the same reasons.
CREATE TABLE IF NOT EXISTS crmscope.sensor_raw (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    chip           LowCardinality(String) CODEC(ZSTD(1)),
    device         LowCardinality(String) CODEC(ZSTD(1)),
    sensor         LowCardinality(String) CODEC(ZSTD(1)),
    ts             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms    UInt32 CODEC(T64, ZSTD(1)),
    temperature_mk UInt64 CODEC(Delta, ZSTD(1)),
    maximum_mk     Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    critical_mk    Nullable(UInt64) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, chip, device, sensor, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of sensor_raw. The mean of a gauge is X_sum / ticks (X_sum / X_ticks where the gauge may be
-- missing). A rate is X / interval_ms, since interval_ms is the time the rows cover.
CREATE TABLE IF NOT EXISTS crmscope.sensor_1m (
    agent_id           LowCardinality(String) CODEC(ZSTD(1)),
    chip               LowCardinality(String) CODEC(ZSTD(1)),
    device             LowCardinality(String) CODEC(ZSTD(1)),
    sensor             LowCardinality(String) CODEC(ZSTD(1)),
    t                  DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks              SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts            SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    temperature_mk_min SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    temperature_mk_max SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    temperature_mk_sum SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    maximum_mk_min     SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    maximum_mk_max     SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    maximum_mk_sum     SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    maximum_mk_ticks   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    critical_mk_min    SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    critical_mk_max    SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    critical_mk_sum    SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    critical_mk_ticks  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, chip, device, sensor, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.sensor_1m_view TO crmscope.sensor_1m AS
SELECT
    r.agent_id AS agent_id,
    r.chip AS chip,
    r.device AS device,
    r.sensor AS sensor,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    min(r.temperature_mk) AS temperature_mk_min, max(r.temperature_mk) AS temperature_mk_max, sum(r.temperature_mk) AS temperature_mk_sum,
    min(r.maximum_mk) AS maximum_mk_min, max(r.maximum_mk) AS maximum_mk_max, sum(r.maximum_mk) AS maximum_mk_sum, count(r.maximum_mk) AS maximum_mk_ticks,
    min(r.critical_mk) AS critical_mk_min, max(r.critical_mk) AS critical_mk_max, sum(r.critical_mk) AS critical_mk_sum, count(r.critical_mk) AS critical_mk_ticks
FROM crmscope.sensor_raw AS r
GROUP BY agent_id, chip, device, sensor, t;

-- Hours and days of sensor_1m, each made from the level below as its rows are inserted. Days are kept.
CREATE TABLE IF NOT EXISTS crmscope.sensor_1h AS crmscope.sensor_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, chip, device, sensor, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.sensor_1h_view TO crmscope.sensor_1h AS
SELECT
    r.agent_id AS agent_id,
    r.chip AS chip,
    r.device AS device,
    r.sensor AS sensor,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.temperature_mk_min) AS temperature_mk_min, max(r.temperature_mk_max) AS temperature_mk_max, sum(r.temperature_mk_sum) AS temperature_mk_sum,
    min(r.maximum_mk_min) AS maximum_mk_min, max(r.maximum_mk_max) AS maximum_mk_max, sum(r.maximum_mk_sum) AS maximum_mk_sum, sum(r.maximum_mk_ticks) AS maximum_mk_ticks,
    min(r.critical_mk_min) AS critical_mk_min, max(r.critical_mk_max) AS critical_mk_max, sum(r.critical_mk_sum) AS critical_mk_sum, sum(r.critical_mk_ticks) AS critical_mk_ticks
FROM crmscope.sensor_1m AS r
GROUP BY agent_id, chip, device, sensor, t;

CREATE TABLE IF NOT EXISTS crmscope.sensor_1d AS crmscope.sensor_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, chip, device, sensor, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.sensor_1d_view TO crmscope.sensor_1d AS
SELECT
    r.agent_id AS agent_id,
    r.chip AS chip,
    r.device AS device,
    r.sensor AS sensor,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.temperature_mk_min) AS temperature_mk_min, max(r.temperature_mk_max) AS temperature_mk_max, sum(r.temperature_mk_sum) AS temperature_mk_sum,
    min(r.maximum_mk_min) AS maximum_mk_min, max(r.maximum_mk_max) AS maximum_mk_max, sum(r.maximum_mk_sum) AS maximum_mk_sum, sum(r.maximum_mk_ticks) AS maximum_mk_ticks,
    min(r.critical_mk_min) AS critical_mk_min, max(r.critical_mk_max) AS critical_mk_max, sum(r.critical_mk_sum) AS critical_mk_sum, sum(r.critical_mk_ticks) AS critical_mk_ticks
FROM crmscope.sensor_1h AS r
GROUP BY agent_id, chip, device, sensor, t;

-- Series of the host's clock, one row per reading: the columns of SeriesKind in
-- proto/src/catalog.rs, in its order (a test in collector/src/schema compares them). Codecs,
-- partitions and TTLs are those of 0006_disk.sql, for the same reasons.
CREATE TABLE IF NOT EXISTS crmscope.clock_raw (
    agent_id        LowCardinality(String) CODEC(ZSTD(1)),
    keeper          LowCardinality(String) CODEC(ZSTD(1)),
    ts              DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms     UInt32 CODEC(T64, ZSTD(1)),
    synchronized    UInt64 CODEC(Delta, ZSTD(1)),
    ahead_us        Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    behind_us       Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    error_us        Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    stratum         Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    since_update_ms Nullable(UInt64) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, keeper, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of clock_raw. The mean of a gauge is X_sum / ticks (X_sum / X_ticks where the gauge may be
-- missing). A rate is X / interval_ms, since interval_ms is the time the rows cover.
CREATE TABLE IF NOT EXISTS crmscope.clock_1m (
    agent_id              LowCardinality(String) CODEC(ZSTD(1)),
    keeper                LowCardinality(String) CODEC(ZSTD(1)),
    t                     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks                 SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms           SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts               SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    synchronized_min      SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    synchronized_max      SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    synchronized_sum      SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    ahead_us_min          SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    ahead_us_max          SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    ahead_us_sum          SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    ahead_us_ticks        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    behind_us_min         SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    behind_us_max         SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    behind_us_sum         SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    behind_us_ticks       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    error_us_min          SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    error_us_max          SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    error_us_sum          SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    error_us_ticks        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    stratum_min           SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    stratum_max           SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    stratum_sum           SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    stratum_ticks         SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    since_update_ms_min   SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    since_update_ms_max   SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    since_update_ms_sum   SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    since_update_ms_ticks SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, keeper, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.clock_1m_view TO crmscope.clock_1m AS
SELECT
    r.agent_id AS agent_id,
    r.keeper AS keeper,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    min(r.synchronized) AS synchronized_min, max(r.synchronized) AS synchronized_max, sum(r.synchronized) AS synchronized_sum,
    min(r.ahead_us) AS ahead_us_min, max(r.ahead_us) AS ahead_us_max, sum(r.ahead_us) AS ahead_us_sum, count(r.ahead_us) AS ahead_us_ticks,
    min(r.behind_us) AS behind_us_min, max(r.behind_us) AS behind_us_max, sum(r.behind_us) AS behind_us_sum, count(r.behind_us) AS behind_us_ticks,
    min(r.error_us) AS error_us_min, max(r.error_us) AS error_us_max, sum(r.error_us) AS error_us_sum, count(r.error_us) AS error_us_ticks,
    min(r.stratum) AS stratum_min, max(r.stratum) AS stratum_max, sum(r.stratum) AS stratum_sum, count(r.stratum) AS stratum_ticks,
    min(r.since_update_ms) AS since_update_ms_min, max(r.since_update_ms) AS since_update_ms_max, sum(r.since_update_ms) AS since_update_ms_sum, count(r.since_update_ms) AS since_update_ms_ticks
FROM crmscope.clock_raw AS r
GROUP BY agent_id, keeper, t;

-- Hours and days of clock_1m, each made from the level below as its rows are inserted. Days are kept.
CREATE TABLE IF NOT EXISTS crmscope.clock_1h AS crmscope.clock_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, keeper, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.clock_1h_view TO crmscope.clock_1h AS
SELECT
    r.agent_id AS agent_id,
    r.keeper AS keeper,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.synchronized_min) AS synchronized_min, max(r.synchronized_max) AS synchronized_max, sum(r.synchronized_sum) AS synchronized_sum,
    min(r.ahead_us_min) AS ahead_us_min, max(r.ahead_us_max) AS ahead_us_max, sum(r.ahead_us_sum) AS ahead_us_sum, sum(r.ahead_us_ticks) AS ahead_us_ticks,
    min(r.behind_us_min) AS behind_us_min, max(r.behind_us_max) AS behind_us_max, sum(r.behind_us_sum) AS behind_us_sum, sum(r.behind_us_ticks) AS behind_us_ticks,
    min(r.error_us_min) AS error_us_min, max(r.error_us_max) AS error_us_max, sum(r.error_us_sum) AS error_us_sum, sum(r.error_us_ticks) AS error_us_ticks,
    min(r.stratum_min) AS stratum_min, max(r.stratum_max) AS stratum_max, sum(r.stratum_sum) AS stratum_sum, sum(r.stratum_ticks) AS stratum_ticks,
    min(r.since_update_ms_min) AS since_update_ms_min, max(r.since_update_ms_max) AS since_update_ms_max, sum(r.since_update_ms_sum) AS since_update_ms_sum, sum(r.since_update_ms_ticks) AS since_update_ms_ticks
FROM crmscope.clock_1m AS r
GROUP BY agent_id, keeper, t;

CREATE TABLE IF NOT EXISTS crmscope.clock_1d AS crmscope.clock_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, keeper, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.clock_1d_view TO crmscope.clock_1d AS
SELECT
    r.agent_id AS agent_id,
    r.keeper AS keeper,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.synchronized_min) AS synchronized_min, max(r.synchronized_max) AS synchronized_max, sum(r.synchronized_sum) AS synchronized_sum,
    min(r.ahead_us_min) AS ahead_us_min, max(r.ahead_us_max) AS ahead_us_max, sum(r.ahead_us_sum) AS ahead_us_sum, sum(r.ahead_us_ticks) AS ahead_us_ticks,
    min(r.behind_us_min) AS behind_us_min, max(r.behind_us_max) AS behind_us_max, sum(r.behind_us_sum) AS behind_us_sum, sum(r.behind_us_ticks) AS behind_us_ticks,
    min(r.error_us_min) AS error_us_min, max(r.error_us_max) AS error_us_max, sum(r.error_us_sum) AS error_us_sum, sum(r.error_us_ticks) AS error_us_ticks,
    min(r.stratum_min) AS stratum_min, max(r.stratum_max) AS stratum_max, sum(r.stratum_sum) AS stratum_sum, sum(r.stratum_ticks) AS stratum_ticks,
    min(r.since_update_ms_min) AS since_update_ms_min, max(r.since_update_ms_max) AS since_update_ms_max, sum(r.since_update_ms_sum) AS since_update_ms_sum, sum(r.since_update_ms_ticks) AS since_update_ms_ticks
FROM crmscope.clock_1h AS r
GROUP BY agent_id, keeper, t;
