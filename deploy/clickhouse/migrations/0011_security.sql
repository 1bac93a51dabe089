-- Security events in OCSF's shape. An investigation asks for a window of time and a kind first, so
-- the hour leads the key; addresses, ids and words are found by the skipping indexes. user,
-- target_user and detail are a stranger's text: quote them wherever they are shown.
CREATE TABLE IF NOT EXISTS crmscope.security_events (
    event_id       UUID CODEC(ZSTD(1)),
    ts             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    class_uid      UInt16 CODEC(ZSTD(1)),
    activity_id    UInt8 CODEC(ZSTD(1)),
    type_uid       UInt32 MATERIALIZED class_uid * 100 + activity_id CODEC(ZSTD(1)),
    status_id      UInt8 CODEC(ZSTD(1)),
    severity_id    UInt8 CODEC(ZSTD(1)),
    kind           LowCardinality(String) CODEC(ZSTD(1)),
    service        LowCardinality(String) CODEC(ZSTD(1)),
    method         LowCardinality(String) CODEC(ZSTD(1)),
    user           String CODEC(ZSTD(1)),
    target_user    String CODEC(ZSTD(1)),
    source_address String CODEC(ZSTD(1)),
    source_port    UInt16 CODEC(ZSTD(1)),
    process_id     UInt32 CODEC(ZSTD(1)),
    count          UInt32 CODEC(T64, ZSTD(1)),
    detail         String CODEC(ZSTD(1)),
    INDEX event_id_bloom event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX source_address_bloom source_address TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX detail_tokens detail TYPE tokenbf_v1(8192, 3, 0) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (toStartOfHour(ts), kind, agent_id, ts)
TTL toDateTime(ts) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- events counts what happened (the sum of count), not rows: an agent may fold repeats into one row.
CREATE TABLE IF NOT EXISTS crmscope.security_1m (
    agent_id  LowCardinality(String) CODEC(ZSTD(1)),
    kind      LowCardinality(String) CODEC(ZSTD(1)),
    service   LowCardinality(String) CODEC(ZSTD(1)),
    method    LowCardinality(String) CODEC(ZSTD(1)),
    status_id UInt8 CODEC(ZSTD(1)),
    t         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    events    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, kind, service, method, status_id, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.security_1m_view TO crmscope.security_1m AS
SELECT
    r.agent_id AS agent_id, r.kind AS kind, r.service AS service, r.method AS method, r.status_id AS status_id,
    toStartOfMinute(r.ts) AS t,
    sum(r.count) AS events
FROM crmscope.security_events AS r
GROUP BY agent_id, kind, service, method, status_id, t;

CREATE TABLE IF NOT EXISTS crmscope.security_1h AS crmscope.security_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, kind, service, method, status_id, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.security_1h_view TO crmscope.security_1h AS
SELECT
    r.agent_id AS agent_id, r.kind AS kind, r.service AS service, r.method AS method, r.status_id AS status_id,
    toStartOfHour(r.t) AS t,
    sum(r.events) AS events
FROM crmscope.security_1m AS r
GROUP BY agent_id, kind, service, method, status_id, t;

CREATE TABLE IF NOT EXISTS crmscope.security_1d AS crmscope.security_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, kind, service, method, status_id, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.security_1d_view TO crmscope.security_1d AS
SELECT
    r.agent_id AS agent_id, r.kind AS kind, r.service AS service, r.method AS method, r.status_id AS status_id,
    toStartOfDay(r.t) AS t,
    sum(r.events) AS events
FROM crmscope.security_1h AS r
GROUP BY agent_id, kind, service, method, status_id, t;
