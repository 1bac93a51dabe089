-- Requests by network of the client, by minute: who asks most, and how much of it fails. An agent
-- keeps only the busiest networks of each service apart (space-saving: Metwally, Agrawal, El Abbadi,
-- "Efficient computation of frequent and top-k elements in data streams", ICDT 2005); what it does
-- not keep apart stands under the network OTHER. Each request stands in exactly one row, so sums over
-- networks are exact. A network's own figures are at least what its rows say; of its requests, at most
-- in_other_max more stand in OTHER. On the row of OTHER, in_other_max is the most that any network may
-- have in it, listed or not: adding these over rows and hours keeps the bound true. UNKNOWN is for
-- lines without an address. Networks may be personal data where they are narrow, so minutes and hours
-- are not kept as long as those of routes, and there are no days.
CREATE TABLE IF NOT EXISTS crmscope.request_clients_raw (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    service        LowCardinality(String) CODEC(ZSTD(1)),
    network        String CODEC(ZSTD(1)),
    window_start   DateTime('UTC') CODEC(Delta, ZSTD(1)),
    requests       UInt64 CODEC(T64, ZSTD(1)),
    client_errors  UInt64 CODEC(T64, ZSTD(1)),
    server_errors  UInt64 CODEC(T64, ZSTD(1)),
    response_bytes UInt64 CODEC(T64, ZSTD(1)),
    in_other_max   UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(window_start)
ORDER BY (service, network, agent_id, window_start)
TTL window_start + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS crmscope.request_clients_1m (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    service        LowCardinality(String) CODEC(ZSTD(1)),
    network        String CODEC(ZSTD(1)),
    t              DateTime('UTC') CODEC(Delta, ZSTD(1)),
    requests       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    client_errors  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    server_errors  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    response_bytes SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    in_other_max   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (service, network, agent_id, t)
TTL t + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.request_clients_1m_view TO crmscope.request_clients_1m AS
SELECT
    r.agent_id AS agent_id,
    r.service AS service,
    r.network AS network,
    toStartOfMinute(r.window_start) AS t,
    sum(r.requests) AS requests,
    sum(r.client_errors) AS client_errors,
    sum(r.server_errors) AS server_errors,
    sum(r.response_bytes) AS response_bytes,
    sum(r.in_other_max) AS in_other_max
FROM crmscope.request_clients_raw AS r
GROUP BY agent_id, service, network, t;

CREATE TABLE IF NOT EXISTS crmscope.request_clients_1h AS crmscope.request_clients_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (service, network, agent_id, t)
TTL t + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.request_clients_1h_view TO crmscope.request_clients_1h AS
SELECT
    r.agent_id AS agent_id,
    r.service AS service,
    r.network AS network,
    toStartOfHour(r.t) AS t,
    sum(r.requests) AS requests,
    sum(r.client_errors) AS client_errors,
    sum(r.server_errors) AS server_errors,
    sum(r.response_bytes) AS response_bytes,
    sum(r.in_other_max) AS in_other_max
FROM crmscope.request_clients_1m AS r
GROUP BY agent_id, service, network, t;
