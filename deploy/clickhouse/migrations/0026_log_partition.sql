-- Where a block came from when it came out of Kafka: topic/partition@group, and block is then its
-- first offset. Empty without Kafka, and in what a collector before this one writes. No view reads
-- these columns. Dead letters gain where in the log they stand.
ALTER TABLE crmscope.ledger ADD COLUMN IF NOT EXISTS log_partition LowCardinality(String) CODEC(ZSTD(1));

ALTER TABLE crmscope.dead_letters ADD COLUMN IF NOT EXISTS topic LowCardinality(String) CODEC(ZSTD(1));

ALTER TABLE crmscope.dead_letters ADD COLUMN IF NOT EXISTS partition UInt32 CODEC(ZSTD(1));

ALTER TABLE crmscope.dead_letters ADD COLUMN IF NOT EXISTS offset UInt64 CODEC(ZSTD(1));
