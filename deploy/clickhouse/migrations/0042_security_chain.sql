-- Of which batch a security event came, so that its rows can be digested again. All zero in what a
-- collector before this one writes. No view reads these columns.
ALTER TABLE crmscope.security_events ADD COLUMN IF NOT EXISTS spool_id UUID CODEC(ZSTD(1)) AFTER rules;
ALTER TABLE crmscope.security_events ADD COLUMN IF NOT EXISTS sequence UInt64 CODEC(ZSTD(1)) AFTER spool_id;

-- The links of the agents' chains of security batches (proto/src/chain.rs). Digests are hexadecimal. found
-- says what the collector found that received it. Kept twice as long as the events, so that a chain still
-- shows which events went for their age.
CREATE TABLE IF NOT EXISTS crmscope.chain_links (
    agent_id            LowCardinality(String) CODEC(ZSTD(1)),
    boot_id             UUID CODEC(ZSTD(1)),
    spool_id            UUID CODEC(ZSTD(1)),
    sequence            UInt64 CODEC(Delta, ZSTD(1)),
    version             UInt32 CODEC(ZSTD(1)),
    created_ms          Int64 CODEC(Delta, ZSTD(1)),
    rows                UInt64 CODEC(T64, ZSTD(1)),
    rows_digest         String CODEC(ZSTD(1)),
    previous_sequence   UInt64 CODEC(Delta, ZSTD(1)),
    previous_created_ms Int64 CODEC(Delta, ZSTD(1)),
    previous_link       String CODEC(ZSTD(1)),
    link                String CODEC(ZSTD(1)),
    found               Enum8('rejected' = 0, 'matched' = 1, 'differed' = 2, 'unknown' = 3) CODEC(ZSTD(1)),
    received_at         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (agent_id, spool_id, sequence)
TTL toDateTime(received_at) + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- The newest link as each heartbeat tells it. 0 and empty where the agent tells none.
ALTER TABLE crmscope.lane_states ADD COLUMN IF NOT EXISTS chain_sequence UInt64 CODEC(ZSTD(1)) AFTER dropped_items;
ALTER TABLE crmscope.lane_states ADD COLUMN IF NOT EXISTS chain_created_ms Int64 CODEC(ZSTD(1)) AFTER chain_sequence;
ALTER TABLE crmscope.lane_states ADD COLUMN IF NOT EXISTS chain_link String CODEC(ZSTD(1)) AFTER chain_created_ms;
