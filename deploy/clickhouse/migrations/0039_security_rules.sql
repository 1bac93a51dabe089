-- Which of the agent's rules an event matched, by their ids: what rules over many events begin with.
ALTER TABLE crmscope.security_events ADD COLUMN IF NOT EXISTS rules Array(LowCardinality(String)) CODEC(ZSTD(1)) AFTER detail;

-- Events that matched a rule in the order in which they were stored, for whoever correlates them: which
-- keys have new events, and of what time. A row for each rule. stored_at is the clock of ClickHouse alone.
CREATE TABLE IF NOT EXISTS crmscope.security_arrivals (
    stored_at      DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    rule           LowCardinality(String) CODEC(ZSTD(1)),
    ts             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    kind           LowCardinality(String) CODEC(ZSTD(1)),
    service        LowCardinality(String) CODEC(ZSTD(1)),
    method         LowCardinality(String) CODEC(ZSTD(1)),
    user           String CODEC(ZSTD(1)),
    target_user    String CODEC(ZSTD(1)),
    source_address String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(stored_at)
ORDER BY (stored_at, rule)
TTL toDateTime(stored_at) + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
