-- Requests of a service over all its hosts and routes, by minute and hour: what pages show of services beside a week
-- before and over a month, where requests_1m and requests_1h have a sketch for each host and route. Fed as the other
-- levels are, and exact under retries as they are.
--
-- What was stored before is not in it: it would have to be added up once, and no statement here may run only once. Queries
-- ask requests_1m and requests_1h for whatever is before rollup_starts.
CREATE TABLE IF NOT EXISTS crmscope.service_requests_1m (
    service        LowCardinality(String) CODEC(ZSTD(1)),
    status_class   UInt8 CODEC(ZSTD(1)),
    t              DateTime('UTC') CODEC(Delta, ZSTD(1)),
    requests       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    latency        SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (service, status_class, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS crmscope.service_requests_1h AS crmscope.service_requests_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (service, status_class, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- The last level first: a view never feeds a table of which the next view is not there yet.
CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.service_requests_1h_view TO crmscope.service_requests_1h AS
SELECT
    r.service AS service,
    r.status_class AS status_class,
    toStartOfHour(r.t) AS t,
    sum(r.requests) AS requests,
    sumMap(r.latency) AS latency
FROM crmscope.service_requests_1m AS r
GROUP BY service, status_class, t;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.service_requests_1m_view TO crmscope.service_requests_1m AS
SELECT
    r.service AS service,
    r.status_class AS status_class,
    r.t AS t,
    sum(r.requests) AS requests,
    sumMap(r.latency) AS latency
FROM crmscope.requests_1m AS r
GROUP BY service, status_class, t;

-- From when on a roll-up that came later is whole; the latest row of it holds, so that this may be written again.
CREATE TABLE IF NOT EXISTS crmscope.rollup_starts (
    name  LowCardinality(String) CODEC(ZSTD(1)),
    since DateTime('UTC') CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (name, since)
SETTINGS non_replicated_deduplication_window = 10000;

-- Where nothing was stored yet it is whole. Otherwise from a day on, so that no row of a clock that is ahead is missed.
INSERT INTO crmscope.rollup_starts (name, since)
SELECT 'service_requests', if((SELECT count() FROM crmscope.requests_1d) = 0, toDateTime(0, 'UTC'), toStartOfHour(now('UTC')) + INTERVAL 1 DAY);
