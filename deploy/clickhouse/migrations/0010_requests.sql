-- Requests, counted on the host in 10-second buckets. The rows of one key may come several times
-- (a late log line, a second file): they add, and nothing may take one for a copy of another.
CREATE TABLE IF NOT EXISTS crmscope.requests_raw (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    service        LowCardinality(String) CODEC(ZSTD(1)),
    route          LowCardinality(String) CODEC(ZSTD(1)),
    method         LowCardinality(String) CODEC(ZSTD(1)),
    status_class   UInt8 CODEC(ZSTD(1)),
    bucket_start   DateTime('UTC') CODEC(Delta, ZSTD(1)),
    requests       UInt64 CODEC(T64, ZSTD(1)),
    response_bytes UInt64 CODEC(T64, ZSTD(1)),
    latency_count  UInt64 CODEC(T64, ZSTD(1)),
    latency_sum_us UInt64 CODEC(T64, ZSTD(1)),
    latency_max_us UInt64 CODEC(T64, ZSTD(1)),
    latency        Map(Int16, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(bucket_start)
ORDER BY (service, route, method, status_class, agent_id, bucket_start)
TTL bucket_start + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- latency is the sketch of proto/src/sketch.rs. Adding its buckets is exact, so a quantile over any
-- hosts, routes and hours is as good as one over the requests themselves: within 1 %.
CREATE TABLE IF NOT EXISTS crmscope.requests_1m (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    service        LowCardinality(String) CODEC(ZSTD(1)),
    route          LowCardinality(String) CODEC(ZSTD(1)),
    method         LowCardinality(String) CODEC(ZSTD(1)),
    status_class   UInt8 CODEC(ZSTD(1)),
    t              DateTime('UTC') CODEC(Delta, ZSTD(1)),
    requests       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    response_bytes SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    latency_count  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    latency_sum_us SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    latency_max_us SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    latency        SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (service, route, method, status_class, agent_id, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.requests_1m_view TO crmscope.requests_1m AS
SELECT
    r.agent_id AS agent_id,
    r.service AS service,
    r.route AS route,
    r.method AS method,
    r.status_class AS status_class,
    toStartOfMinute(r.bucket_start) AS t,
    sum(r.requests) AS requests,
    sum(r.response_bytes) AS response_bytes,
    sum(r.latency_count) AS latency_count,
    sum(r.latency_sum_us) AS latency_sum_us,
    max(r.latency_max_us) AS latency_max_us,
    sumMap(r.latency) AS latency
FROM crmscope.requests_raw AS r
GROUP BY agent_id, service, route, method, status_class, t;

CREATE TABLE IF NOT EXISTS crmscope.requests_1h AS crmscope.requests_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (service, route, method, status_class, agent_id, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.requests_1h_view TO crmscope.requests_1h AS
SELECT
    r.agent_id AS agent_id,
    r.service AS service,
    r.route AS route,
    r.method AS method,
    r.status_class AS status_class,
    toStartOfHour(r.t) AS t,
    sum(r.requests) AS requests,
    sum(r.response_bytes) AS response_bytes,
    sum(r.latency_count) AS latency_count,
    sum(r.latency_sum_us) AS latency_sum_us,
    max(r.latency_max_us) AS latency_max_us,
    sumMap(r.latency) AS latency
FROM crmscope.requests_1m AS r
GROUP BY agent_id, service, route, method, status_class, t;

CREATE TABLE IF NOT EXISTS crmscope.requests_1d AS crmscope.requests_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (service, route, method, status_class, agent_id, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.requests_1d_view TO crmscope.requests_1d AS
SELECT
    r.agent_id AS agent_id,
    r.service AS service,
    r.route AS route,
    r.method AS method,
    r.status_class AS status_class,
    toStartOfDay(r.t) AS t,
    sum(r.requests) AS requests,
    sum(r.response_bytes) AS response_bytes,
    sum(r.latency_count) AS latency_count,
    sum(r.latency_sum_us) AS latency_sum_us,
    max(r.latency_max_us) AS latency_max_us,
    sumMap(r.latency) AS latency
FROM crmscope.requests_1h AS r
GROUP BY agent_id, service, route, method, status_class, t;
