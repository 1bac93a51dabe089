-- Series of one watched group of processes, one row per reading: the columns of SeriesKind in
-- proto/src/catalog.rs, in its order (a test in collector/src/schema compares them). Codecs,
-- partitions and TTLs are those of 0006_disk.sql, for the same reasons.
CREATE TABLE IF NOT EXISTS crmscope.process_raw (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    process        LowCardinality(String) CODEC(ZSTD(1)),
    ts             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms    UInt32 CODEC(T64, ZSTD(1)),
    processes      UInt64 CODEC(Delta, ZSTD(1)),
    cpu_user_us    UInt64 CODEC(T64, ZSTD(1)),
    cpu_system_us  UInt64 CODEC(T64, ZSTD(1)),
    resident_bytes UInt64 CODEC(Delta, ZSTD(1)),
    threads        UInt64 CODEC(Delta, ZSTD(1)),
    open_files     Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    started        UInt64 CODEC(T64, ZSTD(1)),
    restarts       UInt64 CODEC(T64, ZSTD(1)),
    oldest_age_ms  Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    read_bytes     Nullable(UInt64) CODEC(T64, ZSTD(1)),
    write_bytes    Nullable(UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, process, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of process_raw. The mean of a gauge is X_sum / ticks (X_sum / X_ticks where the gauge may be
-- missing). A rate is X / interval_ms, since interval_ms is the time the rows cover.
CREATE TABLE IF NOT EXISTS crmscope.process_1m (
    agent_id            LowCardinality(String) CODEC(ZSTD(1)),
    process             LowCardinality(String) CODEC(ZSTD(1)),
    t                   DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks               SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms         SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts             SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    processes_min       SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    processes_max       SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    processes_sum       SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    cpu_user_us         SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    cpu_system_us       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    resident_bytes_min  SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    resident_bytes_max  SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    resident_bytes_sum  SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    threads_min         SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    threads_max         SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    threads_sum         SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    open_files_min      SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    open_files_max      SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    open_files_sum      SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    open_files_ticks    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    started             SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    restarts            SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    oldest_age_ms_min   SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    oldest_age_ms_max   SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    oldest_age_ms_sum   SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    oldest_age_ms_ticks SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    read_bytes          SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1)),
    write_bytes         SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, process, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.process_1m_view TO crmscope.process_1m AS
SELECT
    r.agent_id AS agent_id,
    r.process AS process,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    min(r.processes) AS processes_min, max(r.processes) AS processes_max, sum(r.processes) AS processes_sum,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    min(r.resident_bytes) AS resident_bytes_min, max(r.resident_bytes) AS resident_bytes_max, sum(r.resident_bytes) AS resident_bytes_sum,
    min(r.threads) AS threads_min, max(r.threads) AS threads_max, sum(r.threads) AS threads_sum,
    min(r.open_files) AS open_files_min, max(r.open_files) AS open_files_max, sum(r.open_files) AS open_files_sum, count(r.open_files) AS open_files_ticks,
    sum(r.started) AS started,
    sum(r.restarts) AS restarts,
    min(r.oldest_age_ms) AS oldest_age_ms_min, max(r.oldest_age_ms) AS oldest_age_ms_max, sum(r.oldest_age_ms) AS oldest_age_ms_sum, count(r.oldest_age_ms) AS oldest_age_ms_ticks,
    sum(r.read_bytes) AS read_bytes,
    sum(r.write_bytes) AS write_bytes
FROM crmscope.process_raw AS r
GROUP BY agent_id, process, t;

-- Hours and days of process_1m, each made from the level below as its rows are inserted. Days are kept.
CREATE TABLE IF NOT EXISTS crmscope.process_1h AS crmscope.process_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, process, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.process_1h_view TO crmscope.process_1h AS
SELECT
    r.agent_id AS agent_id,
    r.process AS process,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.processes_min) AS processes_min, max(r.processes_max) AS processes_max, sum(r.processes_sum) AS processes_sum,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    min(r.resident_bytes_min) AS resident_bytes_min, max(r.resident_bytes_max) AS resident_bytes_max, sum(r.resident_bytes_sum) AS resident_bytes_sum,
    min(r.threads_min) AS threads_min, max(r.threads_max) AS threads_max, sum(r.threads_sum) AS threads_sum,
    min(r.open_files_min) AS open_files_min, max(r.open_files_max) AS open_files_max, sum(r.open_files_sum) AS open_files_sum, sum(r.open_files_ticks) AS open_files_ticks,
    sum(r.started) AS started,
    sum(r.restarts) AS restarts,
    min(r.oldest_age_ms_min) AS oldest_age_ms_min, max(r.oldest_age_ms_max) AS oldest_age_ms_max, sum(r.oldest_age_ms_sum) AS oldest_age_ms_sum, sum(r.oldest_age_ms_ticks) AS oldest_age_ms_ticks,
    sum(r.read_bytes) AS read_bytes,
    sum(r.write_bytes) AS write_bytes
FROM crmscope.process_1m AS r
GROUP BY agent_id, process, t;

CREATE TABLE IF NOT EXISTS crmscope.process_1d AS crmscope.process_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, process, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.process_1d_view TO crmscope.process_1d AS
SELECT
    r.agent_id AS agent_id,
    r.process AS process,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.processes_min) AS processes_min, max(r.processes_max) AS processes_max, sum(r.processes_sum) AS processes_sum,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    min(r.resident_bytes_min) AS resident_bytes_min, max(r.resident_bytes_max) AS resident_bytes_max, sum(r.resident_bytes_sum) AS resident_bytes_sum,
    min(r.threads_min) AS threads_min, max(r.threads_max) AS threads_max, sum(r.threads_sum) AS threads_sum,
    min(r.open_files_min) AS open_files_min, max(r.open_files_max) AS open_files_max, sum(r.open_files_sum) AS open_files_sum, sum(r.open_files_ticks) AS open_files_ticks,
    sum(r.started) AS started,
    sum(r.restarts) AS restarts,
    min(r.oldest_age_ms_min) AS oldest_age_ms_min, max(r.oldest_age_ms_max) AS oldest_age_ms_max, sum(r.oldest_age_ms_sum) AS oldest_age_ms_sum, sum(r.oldest_age_ms_ticks) AS oldest_age_ms_ticks,
    sum(r.read_bytes) AS read_bytes,
    sum(r.write_bytes) AS write_bytes
FROM crmscope.process_1h AS r
GROUP BY agent_id, process, t;
