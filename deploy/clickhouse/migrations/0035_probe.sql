-- Runs of the agents' probes, one row per target and run: the columns of SeriesKind in
-- proto/src/catalog.rs, in its order, which has the table of reasons too (a test in
-- collector/src/schema compares the columns). Codecs, partitions and TTLs are those of
-- 0006_disk.sql, for the same reasons.
CREATE TABLE IF NOT EXISTS crmscope.probe_raw (
    agent_id                    LowCardinality(String) CODEC(ZSTD(1)),
    target                      LowCardinality(String) CODEC(ZSTD(1)),
    service                     LowCardinality(String) CODEC(ZSTD(1)),
    kind                        LowCardinality(String) CODEC(ZSTD(1)),
    ts                          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms                 UInt32 CODEC(T64, ZSTD(1)),
    up                          UInt64 CODEC(Delta, ZSTD(1)),
    reason                      UInt64 CODEC(Delta, ZSTD(1)),
    duration_us                 UInt64 CODEC(Delta, ZSTD(1)),
    good_duration_us            Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    dns_us                      Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    connect_us                  Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    tls_us                      Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    first_byte_us               Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    status                      Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    certificate_expires_seconds Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    body_bytes                  Nullable(UInt64) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, target, service, kind, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of probe_raw. Runs are ticks, good ones up_sum, failures ticks - up_sum; the mean of a time
-- is X_sum / X_ticks (duration_us_sum / ticks). Reasons and statuses are codes: their means say nothing.
CREATE TABLE IF NOT EXISTS crmscope.probe_1m (
    agent_id                          LowCardinality(String) CODEC(ZSTD(1)),
    target                            LowCardinality(String) CODEC(ZSTD(1)),
    service                           LowCardinality(String) CODEC(ZSTD(1)),
    kind                              LowCardinality(String) CODEC(ZSTD(1)),
    t                                 DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks                             SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms                       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts                           SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    up_min                            SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    up_max                            SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    up_sum                            SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    reason_min                        SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    reason_max                        SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    reason_sum                        SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    duration_us_min                   SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    duration_us_max                   SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    duration_us_sum                   SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1)),
    good_duration_us_min              SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    good_duration_us_max              SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    good_duration_us_sum              SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    good_duration_us_ticks            SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    dns_us_min                        SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    dns_us_max                        SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    dns_us_sum                        SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    dns_us_ticks                      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    connect_us_min                    SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    connect_us_max                    SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    connect_us_sum                    SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    connect_us_ticks                  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    tls_us_min                        SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tls_us_max                        SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tls_us_sum                        SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    tls_us_ticks                      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    first_byte_us_min                 SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    first_byte_us_max                 SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    first_byte_us_sum                 SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    first_byte_us_ticks               SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    status_min                        SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    status_max                        SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    status_sum                        SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    status_ticks                      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    certificate_expires_seconds_min   SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    certificate_expires_seconds_max   SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    certificate_expires_seconds_sum   SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    certificate_expires_seconds_ticks SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    body_bytes_min                    SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    body_bytes_max                    SimpleAggregateFunction(max, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    body_bytes_sum                    SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(Delta, ZSTD(1)),
    body_bytes_ticks                  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, target, service, kind, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.probe_1m_view TO crmscope.probe_1m AS
SELECT
    r.agent_id AS agent_id,
    r.target AS target,
    r.service AS service,
    r.kind AS kind,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    min(r.up) AS up_min, max(r.up) AS up_max, sum(r.up) AS up_sum,
    min(r.reason) AS reason_min, max(r.reason) AS reason_max, sum(r.reason) AS reason_sum,
    min(r.duration_us) AS duration_us_min, max(r.duration_us) AS duration_us_max, sum(r.duration_us) AS duration_us_sum,
    min(r.good_duration_us) AS good_duration_us_min, max(r.good_duration_us) AS good_duration_us_max, sum(r.good_duration_us) AS good_duration_us_sum, count(r.good_duration_us) AS good_duration_us_ticks,
    min(r.dns_us) AS dns_us_min, max(r.dns_us) AS dns_us_max, sum(r.dns_us) AS dns_us_sum, count(r.dns_us) AS dns_us_ticks,
    min(r.connect_us) AS connect_us_min, max(r.connect_us) AS connect_us_max, sum(r.connect_us) AS connect_us_sum, count(r.connect_us) AS connect_us_ticks,
    min(r.tls_us) AS tls_us_min, max(r.tls_us) AS tls_us_max, sum(r.tls_us) AS tls_us_sum, count(r.tls_us) AS tls_us_ticks,
    min(r.first_byte_us) AS first_byte_us_min, max(r.first_byte_us) AS first_byte_us_max, sum(r.first_byte_us) AS first_byte_us_sum, count(r.first_byte_us) AS first_byte_us_ticks,
    min(r.status) AS status_min, max(r.status) AS status_max, sum(r.status) AS status_sum, count(r.status) AS status_ticks,
    min(r.certificate_expires_seconds) AS certificate_expires_seconds_min, max(r.certificate_expires_seconds) AS certificate_expires_seconds_max, sum(r.certificate_expires_seconds) AS certificate_expires_seconds_sum, count(r.certificate_expires_seconds) AS certificate_expires_seconds_ticks,
    min(r.body_bytes) AS body_bytes_min, max(r.body_bytes) AS body_bytes_max, sum(r.body_bytes) AS body_bytes_sum, count(r.body_bytes) AS body_bytes_ticks
FROM crmscope.probe_raw AS r
GROUP BY agent_id, target, service, kind, t;

-- Hours and days of probe_1m, each made from the level below as its rows are inserted. Days are kept.
CREATE TABLE IF NOT EXISTS crmscope.probe_1h AS crmscope.probe_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, target, service, kind, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.probe_1h_view TO crmscope.probe_1h AS
SELECT
    r.agent_id AS agent_id,
    r.target AS target,
    r.service AS service,
    r.kind AS kind,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.up_min) AS up_min, max(r.up_max) AS up_max, sum(r.up_sum) AS up_sum,
    min(r.reason_min) AS reason_min, max(r.reason_max) AS reason_max, sum(r.reason_sum) AS reason_sum,
    min(r.duration_us_min) AS duration_us_min, max(r.duration_us_max) AS duration_us_max, sum(r.duration_us_sum) AS duration_us_sum,
    min(r.good_duration_us_min) AS good_duration_us_min, max(r.good_duration_us_max) AS good_duration_us_max, sum(r.good_duration_us_sum) AS good_duration_us_sum, sum(r.good_duration_us_ticks) AS good_duration_us_ticks,
    min(r.dns_us_min) AS dns_us_min, max(r.dns_us_max) AS dns_us_max, sum(r.dns_us_sum) AS dns_us_sum, sum(r.dns_us_ticks) AS dns_us_ticks,
    min(r.connect_us_min) AS connect_us_min, max(r.connect_us_max) AS connect_us_max, sum(r.connect_us_sum) AS connect_us_sum, sum(r.connect_us_ticks) AS connect_us_ticks,
    min(r.tls_us_min) AS tls_us_min, max(r.tls_us_max) AS tls_us_max, sum(r.tls_us_sum) AS tls_us_sum, sum(r.tls_us_ticks) AS tls_us_ticks,
    min(r.first_byte_us_min) AS first_byte_us_min, max(r.first_byte_us_max) AS first_byte_us_max, sum(r.first_byte_us_sum) AS first_byte_us_sum, sum(r.first_byte_us_ticks) AS first_byte_us_ticks,
    min(r.status_min) AS status_min, max(r.status_max) AS status_max, sum(r.status_sum) AS status_sum, sum(r.status_ticks) AS status_ticks,
    min(r.certificate_expires_seconds_min) AS certificate_expires_seconds_min, max(r.certificate_expires_seconds_max) AS certificate_expires_seconds_max, sum(r.certificate_expires_seconds_sum) AS certificate_expires_seconds_sum, sum(r.certificate_expires_seconds_ticks) AS certificate_expires_seconds_ticks,
    min(r.body_bytes_min) AS body_bytes_min, max(r.body_bytes_max) AS body_bytes_max, sum(r.body_bytes_sum) AS body_bytes_sum, sum(r.body_bytes_ticks) AS body_bytes_ticks
FROM crmscope.probe_1m AS r
GROUP BY agent_id, target, service, kind, t;

CREATE TABLE IF NOT EXISTS crmscope.probe_1d AS crmscope.probe_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, target, service, kind, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.probe_1d_view TO crmscope.probe_1d AS
SELECT
    r.agent_id AS agent_id,
    r.target AS target,
    r.service AS service,
    r.kind AS kind,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    min(r.up_min) AS up_min, max(r.up_max) AS up_max, sum(r.up_sum) AS up_sum,
    min(r.reason_min) AS reason_min, max(r.reason_max) AS reason_max, sum(r.reason_sum) AS reason_sum,
    min(r.duration_us_min) AS duration_us_min, max(r.duration_us_max) AS duration_us_max, sum(r.duration_us_sum) AS duration_us_sum,
    min(r.good_duration_us_min) AS good_duration_us_min, max(r.good_duration_us_max) AS good_duration_us_max, sum(r.good_duration_us_sum) AS good_duration_us_sum, sum(r.good_duration_us_ticks) AS good_duration_us_ticks,
    min(r.dns_us_min) AS dns_us_min, max(r.dns_us_max) AS dns_us_max, sum(r.dns_us_sum) AS dns_us_sum, sum(r.dns_us_ticks) AS dns_us_ticks,
    min(r.connect_us_min) AS connect_us_min, max(r.connect_us_max) AS connect_us_max, sum(r.connect_us_sum) AS connect_us_sum, sum(r.connect_us_ticks) AS connect_us_ticks,
    min(r.tls_us_min) AS tls_us_min, max(r.tls_us_max) AS tls_us_max, sum(r.tls_us_sum) AS tls_us_sum, sum(r.tls_us_ticks) AS tls_us_ticks,
    min(r.first_byte_us_min) AS first_byte_us_min, max(r.first_byte_us_max) AS first_byte_us_max, sum(r.first_byte_us_sum) AS first_byte_us_sum, sum(r.first_byte_us_ticks) AS first_byte_us_ticks,
    min(r.status_min) AS status_min, max(r.status_max) AS status_max, sum(r.status_sum) AS status_sum, sum(r.status_ticks) AS status_ticks,
    min(r.certificate_expires_seconds_min) AS certificate_expires_seconds_min, max(r.certificate_expires_seconds_max) AS certificate_expires_seconds_max, sum(r.certificate_expires_seconds_sum) AS certificate_expires_seconds_sum, sum(r.certificate_expires_seconds_ticks) AS certificate_expires_seconds_ticks,
    min(r.body_bytes_min) AS body_bytes_min, max(r.body_bytes_max) AS body_bytes_max, sum(r.body_bytes_sum) AS body_bytes_sum, sum(r.body_bytes_ticks) AS body_bytes_ticks
FROM crmscope.probe_1h AS r
GROUP BY agent_id, target, service, kind, t;
