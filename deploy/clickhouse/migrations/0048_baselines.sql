-- Users with new events and the hours in which these happened, in the order of storing, for whoever knows
-- what is usual of them. A row for each user and hour of a block. stored_at is the clock of ClickHouse alone.
CREATE TABLE IF NOT EXISTS crmscope.baseline_arrivals (
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    user      String CODEC(ZSTD(1)),
    t         DateTime('UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(stored_at)
ORDER BY stored_at
TTL toDateTime(stored_at) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Up to when these were looked at, by ClickHouse's clock.
CREATE TABLE IF NOT EXISTS crmscope.baseline_looks (
    looked_ms Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(looked_ms, 'UTC'))
ORDER BY looked_ms
TTL toDateTime(fromUnixTimestamp64Milli(looked_ms, 'UTC')) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
