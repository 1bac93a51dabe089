-- What the judgement of presence needs of a heartbeat besides the agent's clocks: when it was received,
-- and its batch's number, which tells whether anything between two beats is missing. In rows from before
-- this a beat counts as received when it was made, and nothing as missing.
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS received_at DateTime64(3, 'UTC') DEFAULT ts + toIntervalMillisecond(ifNull(clock_offset_ms, 0)) CODEC(Delta, ZSTD(1));
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS sequence UInt64 CODEC(Delta, ZSTD(1));

-- Times in which a collector was there to receive: a row about every 5 s, without what it did not run
-- through itself. Silence of an agent in other times says nothing of its network.
CREATE TABLE IF NOT EXISTS crmscope.collector_watch (
    collector_id UUID CODEC(ZSTD(1)),
    watched_from DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    watched_to   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(watched_from)
ORDER BY (watched_from, collector_id)
TTL toDateTime(watched_from) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
