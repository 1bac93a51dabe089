-- What the heartbeats proved of a host in an hour, as intervals that lie one after the other: parts are
-- 0 unknown, 1 up, 2 down. Judged anew when evidence comes late; the newest version of an hour is in
-- force, so read with FINAL. The sums are of the same intervals, ms; total is server and network at once.
CREATE TABLE IF NOT EXISTS crmscope.presence_hours (
    agent_id           LowCardinality(String) CODEC(ZSTD(1)),
    t                  DateTime('UTC') CODEC(Delta, ZSTD(1)),
    version            UInt64 CODEC(Delta, ZSTD(1)),
    -- Where the time begins of which nothing was known yet at the end of this hour, Unix ms; else its end.
    open_ms            Int64 CODEC(Delta, ZSTD(1)),
    from_ms            Array(Int64) CODEC(Delta, ZSTD(1)),
    to_ms              Array(Int64) CODEC(Delta, ZSTD(1)),
    server             Array(UInt8) CODEC(ZSTD(1)),
    network            Array(UInt8) CODEC(ZSTD(1)),
    agent              Array(UInt8) CODEC(ZSTD(1)),
    reason             Array(LowCardinality(String)) CODEC(ZSTD(1)),
    server_up_ms       Int64 CODEC(T64, ZSTD(1)),
    server_down_ms     Int64 CODEC(T64, ZSTD(1)),
    server_unknown_ms  Int64 CODEC(T64, ZSTD(1)),
    network_up_ms      Int64 CODEC(T64, ZSTD(1)),
    network_down_ms    Int64 CODEC(T64, ZSTD(1)),
    network_unknown_ms Int64 CODEC(T64, ZSTD(1)),
    agent_up_ms        Int64 CODEC(T64, ZSTD(1)),
    agent_down_ms      Int64 CODEC(T64, ZSTD(1)),
    agent_unknown_ms   Int64 CODEC(T64, ZSTD(1)),
    total_up_ms        Int64 CODEC(T64, ZSTD(1)),
    total_down_ms      Int64 CODEC(T64, ZSTD(1)),
    total_unknown_ms   Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, t)
TTL t + INTERVAL 1200 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Hours that were judged otherwise once more evidence was there: what was claimed before, and after.
CREATE TABLE IF NOT EXISTS crmscope.presence_audit (
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    t           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    changed_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    before      String CODEC(ZSTD(1)),
    after       String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (agent_id, t, changed_at)
TTL toDateTime(changed_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
