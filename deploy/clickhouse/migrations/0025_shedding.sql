-- What the agents stopped measuring to stay within their budgets: one row per subject, cause and
-- report while it is shed, and one more when it is not any more. The columns of SeriesKind in
-- proto/src/catalog.rs, in its order (a test in collector/src/schema compares them). A figure that
-- is missing, or comes rarer, has its reason here.
CREATE TABLE IF NOT EXISTS crmscope.shedding_raw (
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    subject     LowCardinality(String) CODEC(ZSTD(1)),
    cause       LowCardinality(String) CODEC(ZSTD(1)),
    ts          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms UInt32 CODEC(T64, ZSTD(1)),
    shed_ms     UInt64 CODEC(T64, ZSTD(1)),
    level       UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, subject, cause, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Minutes of shedding_raw. shed_ms adds up exactly; the mean of the level is level_sum / ticks. The
-- deduplication window must stand on view targets too: without it a block that is sent again would
-- be counted twice here and once in the raw table.
CREATE TABLE IF NOT EXISTS crmscope.shedding_1m (
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    subject     LowCardinality(String) CODEC(ZSTD(1)),
    cause       LowCardinality(String) CODEC(ZSTD(1)),
    t           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    ticks       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    interval_ms SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts     SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    shed_ms     SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    level_min   SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    level_max   SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    level_sum   SimpleAggregateFunction(sum, UInt64) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, subject, cause, t)
TTL t + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.shedding_1m_view TO crmscope.shedding_1m AS
SELECT
    r.agent_id AS agent_id,
    r.subject AS subject,
    r.cause AS cause,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    sum(r.shed_ms) AS shed_ms,
    min(r.level) AS level_min,
    max(r.level) AS level_max,
    sum(r.level) AS level_sum
FROM crmscope.shedding_raw AS r
GROUP BY agent_id, subject, cause, t;

-- Hours and days, each made from the level below as its rows are inserted, so that the cost of a
-- level falls with its resolution. AS copies columns and codecs; days are kept.
CREATE TABLE IF NOT EXISTS crmscope.shedding_1h AS crmscope.shedding_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, subject, cause, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.shedding_1h_view TO crmscope.shedding_1h AS
SELECT
    r.agent_id AS agent_id,
    r.subject AS subject,
    r.cause AS cause,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.shed_ms) AS shed_ms,
    min(r.level_min) AS level_min,
    max(r.level_max) AS level_max,
    sum(r.level_sum) AS level_sum
FROM crmscope.shedding_1m AS r
GROUP BY agent_id, subject, cause, t;

CREATE TABLE IF NOT EXISTS crmscope.shedding_1d AS crmscope.shedding_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, subject, cause, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.shedding_1d_view TO crmscope.shedding_1d AS
SELECT
    r.agent_id AS agent_id,
    r.subject AS subject,
    r.cause AS cause,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.shed_ms) AS shed_ms,
    min(r.level_min) AS level_min,
    max(r.level_max) AS level_max,
    sum(r.level_sum) AS level_sum
FROM crmscope.shedding_1h AS r
GROUP BY agent_id, subject, cause, t;
