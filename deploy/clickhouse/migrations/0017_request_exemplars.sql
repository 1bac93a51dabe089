-- Slow and failed requests, a few of each in 10 s: examples to look at, not a measure. The target has
-- lost its query, and whatever names a record or a person, unless the agent was told otherwise; it is a
-- stranger's text all the same: quote it wherever it is shown.
CREATE TABLE IF NOT EXISTS crmscope.request_exemplars (
    agent_id            LowCardinality(String) CODEC(ZSTD(1)),
    service             LowCardinality(String) CODEC(ZSTD(1)),
    kind                Enum8('slow' = 1, 'failed' = 2) CODEC(ZSTD(1)),
    ts                  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    route               LowCardinality(String) CODEC(ZSTD(1)),
    method              LowCardinality(String) CODEC(ZSTD(1)),
    status              UInt16 CODEC(ZSTD(1)),
    response_bytes      UInt64 CODEC(T64, ZSTD(1)),
    latency_us          Nullable(UInt64) CODEC(ZSTD(1)),
    upstream_latency_us Nullable(UInt64) CODEC(ZSTD(1)),
    network             String CODEC(ZSTD(1)),
    target              String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (service, kind, toStartOfHour(ts), agent_id, ts)
TTL toDateTime(ts) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- How many requests were slow or failed enough, and how many of them were kept as examples. Rows of one
-- key add. sum(kept) is the number of rows above; eligible - kept were sampled out on the host.
CREATE TABLE IF NOT EXISTS crmscope.request_sampling (
    agent_id     LowCardinality(String) CODEC(ZSTD(1)),
    service      LowCardinality(String) CODEC(ZSTD(1)),
    kind         Enum8('slow' = 1, 'failed' = 2) CODEC(ZSTD(1)),
    bucket_start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    eligible     UInt64 CODEC(T64, ZSTD(1)),
    kept         UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(bucket_start)
ORDER BY (service, kind, agent_id, bucket_start)
TTL bucket_start + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
