-- The share of the application: how long it took behind the server, beside the whole latency. A
-- request whose log does not say adds nothing here, so upstream_count may be below requests.
--
-- Columns come first, and in the last roll-up before the first: a view never names a column that its
-- target lacks. A view's query is then replaced in one step, so each insert goes through the old one
-- or the new one, and no row misses a roll-up; dropping the view and making it anew would leave such a
-- gap. A collector of the version before names its columns, so it may still write: its rows hold 0 and
-- an empty sketch. Every statement may be run again.
ALTER TABLE crmscope.requests_1d
    ADD COLUMN IF NOT EXISTS upstream_count SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_sum_us SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_max_us SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.requests_1h
    ADD COLUMN IF NOT EXISTS upstream_count SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_sum_us SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_max_us SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.requests_1m
    ADD COLUMN IF NOT EXISTS upstream_count SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_sum_us SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_max_us SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream SimpleAggregateFunction(sumMap, Map(Int16, UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.requests_raw
    ADD COLUMN IF NOT EXISTS upstream_count UInt64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_sum_us UInt64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream_max_us UInt64 CODEC(T64, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS upstream Map(Int16, UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.requests_1d_view MODIFY QUERY
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
    sumMap(r.latency) AS latency,
    sum(r.upstream_count) AS upstream_count,
    sum(r.upstream_sum_us) AS upstream_sum_us,
    max(r.upstream_max_us) AS upstream_max_us,
    sumMap(r.upstream) AS upstream
FROM crmscope.requests_1h AS r
GROUP BY agent_id, service, route, method, status_class, t;

ALTER TABLE crmscope.requests_1h_view MODIFY QUERY
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
    sumMap(r.latency) AS latency,
    sum(r.upstream_count) AS upstream_count,
    sum(r.upstream_sum_us) AS upstream_sum_us,
    max(r.upstream_max_us) AS upstream_max_us,
    sumMap(r.upstream) AS upstream
FROM crmscope.requests_1m AS r
GROUP BY agent_id, service, route, method, status_class, t;

ALTER TABLE crmscope.requests_1m_view MODIFY QUERY
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
    sumMap(r.latency) AS latency,
    sum(r.upstream_count) AS upstream_count,
    sum(r.upstream_sum_us) AS upstream_sum_us,
    max(r.upstream_max_us) AS upstream_max_us,
    sumMap(r.upstream) AS upstream
FROM crmscope.requests_raw AS r
GROUP BY agent_id, service, route, method, status_class, t;
