-- What users did, hour by hour: what is usual of them is worked out from it. user is a stranger's text of
-- up to 256 characters, and is found by its hash. What failed counts apart from what did not. Of each event
-- up to 10^9 records count, and up to 10^6 repetitions, so that a forged figure cannot overflow a sum.
CREATE TABLE IF NOT EXISTS crmscope.user_activity_1h (
    user_hash UInt64 CODEC(ZSTD(1)),
    user      String CODEC(ZSTD(1)),
    kind      LowCardinality(String) CODEC(ZSTD(1)),
    failed    UInt8 CODEC(ZSTD(1)),
    t         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    events    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    records   SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    first_ts  SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_ts   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (user_hash, user, kind, failed, t)
TTL t + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.user_activity_1h_view TO crmscope.user_activity_1h AS
SELECT
    sipHash64(leftUTF8(r.user, 256)) AS user_hash, leftUTF8(r.user, 256) AS user, r.kind AS kind,
    toUInt8(r.status_id = 2) AS failed,
    toDateTime(toStartOfHour(r.ts), 'UTC') AS t,
    sum(r.count) AS events,
    sum(least(r.records, 1000000000) * least(r.count, 1000000)) AS records,
    min(r.ts) AS first_ts, max(r.ts) AS last_ts
FROM crmscope.security_events AS r
WHERE r.user != ''
GROUP BY user_hash, user, kind, failed, t;
