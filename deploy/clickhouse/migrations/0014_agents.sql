-- Agents that ever said hello, with what they said last. Read with FINAL, or by argMax over
-- connected_at: copies vanish only in a merge. It is what "every host" means in the queries, so an
-- agent that went silent stays on every page.
CREATE TABLE IF NOT EXISTS crmscope.agents (
    agent_id         LowCardinality(String) CODEC(ZSTD(1)),
    connected_at     DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    boot_id          UUID CODEC(ZSTD(1)),
    start_id         UUID CODEC(ZSTD(1)),
    spool_id         UUID CODEC(ZSTD(1)),
    agent_version    LowCardinality(String) CODEC(ZSTD(1)),
    hostname         String CODEC(ZSTD(1)),
    operating_system LowCardinality(String) CODEC(ZSTD(1)),
    kernel_version   LowCardinality(String) CODEC(ZSTD(1)),
    architecture     LowCardinality(String) CODEC(ZSTD(1)),
    cpu_count        UInt32 CODEC(ZSTD(1)),
    memory_bytes     UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(connected_at)
ORDER BY agent_id
SETTINGS non_replicated_deduplication_window = 10000;
