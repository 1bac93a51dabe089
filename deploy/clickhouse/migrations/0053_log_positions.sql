-- How far the writers are with each partition of Kafka: a row for each every 15 s, by the collector that
-- has it. next_offset - position records, which are batches, are not in the tables yet.
CREATE TABLE IF NOT EXISTS crmscope.log_positions (
    ts            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    log_partition LowCardinality(String) CODEC(ZSTD(1)),
    lane          Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    position      UInt64 CODEC(T64, ZSTD(1)),
    next_offset   UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (log_partition, ts)
TTL toDateTime(ts) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
