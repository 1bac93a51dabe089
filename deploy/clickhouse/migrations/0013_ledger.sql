-- The ledger: a row for every batch, or range of batches, and what became of it. With it,
-- emitted = stored + sampled + rejected + dropped + missing + in flight (queries/ledger_proof.sql).
-- A range is first_sequence to last_sequence, both included; items and bytes are those of all of it.
CREATE TABLE IF NOT EXISTS crmscope.ledger (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    boot_id        UUID CODEC(ZSTD(1)),
    start_id       UUID CODEC(ZSTD(1)),
    spool_id       UUID CODEC(ZSTD(1)),
    lane           Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    first_sequence UInt64 CODEC(Delta, ZSTD(1)),
    last_sequence  UInt64 CODEC(Delta, ZSTD(1)),
    items          UInt64 CODEC(T64, ZSTD(1)),
    bytes          UInt64 CODEC(T64, ZSTD(1)),
    disposition    Enum8('stored' = 1, 'dropped' = 2, 'sampled' = 3, 'rejected' = 4) CODEC(ZSTD(1)),
    reason         LowCardinality(String) CODEC(ZSTD(1)),
    created_at     DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    block          UInt64 CODEC(Delta, ZSTD(1)),
    -- A restart asks which of the last blocks are settled; the key says nothing about blocks.
    INDEX block_range block TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (agent_id, spool_id, lane, first_sequence)
TTL toDateTime(received_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Up to where a collector has settled what an agent sent: what it asks on start, to know a batch
-- that comes again. Dropped ranges are left out: the agent announces them on another lane, so they
-- say nothing of what arrived on this one.
CREATE TABLE IF NOT EXISTS crmscope.ledger_high_water (
    agent_id      LowCardinality(String) CODEC(ZSTD(1)),
    boot_id       UUID CODEC(ZSTD(1)),
    spool_id      UUID CODEC(ZSTD(1)),
    lane          Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    last_sequence SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    received_at   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (agent_id, boot_id, spool_id, lane)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.ledger_high_water_view TO crmscope.ledger_high_water AS
SELECT
    r.agent_id AS agent_id, r.boot_id AS boot_id, r.spool_id AS spool_id, r.lane AS lane,
    max(r.last_sequence) AS last_sequence,
    max(r.received_at) AS received_at
FROM crmscope.ledger AS r
WHERE r.disposition != 'dropped'
GROUP BY agent_id, boot_id, spool_id, lane;

-- The ledger by minute of the agent's clock, for pages and alerts.
CREATE TABLE IF NOT EXISTS crmscope.ledger_1m (
    agent_id    LowCardinality(String) CODEC(ZSTD(1)),
    lane        Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    t           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    disposition Enum8('stored' = 1, 'dropped' = 2, 'sampled' = 3, 'rejected' = 4) CODEC(ZSTD(1)),
    reason      LowCardinality(String) CODEC(ZSTD(1)),
    batches     SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    items       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    bytes       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, lane, t, disposition, reason)
TTL t + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.ledger_1m_view TO crmscope.ledger_1m AS
SELECT
    r.agent_id AS agent_id, r.lane AS lane,
    toStartOfMinute(r.created_at) AS t,
    r.disposition AS disposition, r.reason AS reason,
    sum(r.last_sequence - r.first_sequence + 1) AS batches,
    sum(r.items) AS items,
    sum(r.bytes) AS bytes
FROM crmscope.ledger AS r
GROUP BY agent_id, lane, t, disposition, reason;

-- Batches that no collector could read, as they came. The lane may be any number, and the agent id
-- any text: that is why they are here.
CREATE TABLE IF NOT EXISTS crmscope.dead_letters (
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    agent_id    String CODEC(ZSTD(1)),
    boot_id     UUID CODEC(ZSTD(1)),
    start_id    UUID CODEC(ZSTD(1)),
    spool_id    UUID CODEC(ZSTD(1)),
    lane        Int8 CODEC(ZSTD(1)),
    sequence    UInt64 CODEC(ZSTD(1)),
    reason      String CODEC(ZSTD(1)),
    bytes       UInt64 CODEC(ZSTD(1)),
    batch       String CODEC(ZSTD(3))
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (received_at, agent_id)
TTL toDateTime(received_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- The collector's own log where there is no Kafka: the batches of each block it is about to write,
-- so that a block whose outcome is unknown can be repeated exactly. block grows with time (ms), so a
-- partition is about 17 minutes; the collector drops one once all its blocks are settled.
CREATE TABLE IF NOT EXISTS crmscope.journal (
    block       UInt64 CODEC(Delta, ZSTD(1)),
    position    UInt32 CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    batch       String CODEC(NONE)
)
ENGINE = MergeTree
PARTITION BY intDiv(block, 1000000)
ORDER BY (block, position)
SETTINGS non_replicated_deduplication_window = 10000;
