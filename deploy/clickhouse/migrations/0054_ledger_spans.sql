-- The ledger's proof without reading the ledger. What was stored of a lane is told in spans of 1,024
-- sequences: which of them, as bits, and how many rows said so. Where both agree, each was stored once.
-- t is the day on which a collector received them, and a span may lie in several.
CREATE TABLE IF NOT EXISTS crmscope.ledger_spans (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    spool_id       UUID CODEC(ZSTD(1)),
    lane           Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    -- The sequence divided by 1,024.
    span           UInt64 CODEC(Delta, ZSTD(1)),
    t              DateTime('UTC') CODEC(Delta, ZSTD(1)),
    stored         SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    items          SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    first_sequence SimpleAggregateFunction(min, UInt64) CODEC(Delta, ZSTD(1)),
    last_sequence  SimpleAggregateFunction(max, UInt64) CODEC(Delta, ZSTD(1)),
    received_at    SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    -- Bit i of present_k is sequence 1024 span + 256 k + i.
    present_0      SimpleAggregateFunction(groupBitOr, UInt256) CODEC(ZSTD(1)),
    present_1      SimpleAggregateFunction(groupBitOr, UInt256) CODEC(ZSTD(1)),
    present_2      SimpleAggregateFunction(groupBitOr, UInt256) CODEC(ZSTD(1)),
    present_3      SimpleAggregateFunction(groupBitOr, UInt256) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, spool_id, lane, span, t)
TTL t + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.ledger_spans_view TO crmscope.ledger_spans AS
SELECT
    r.agent_id AS agent_id, r.spool_id AS spool_id, r.lane AS lane,
    intDiv(r.first_sequence, 1024) AS span,
    toStartOfDay(toDateTime(r.received_at, 'UTC')) AS t,
    count() AS stored,
    sum(r.items) AS items,
    min(r.first_sequence) AS first_sequence,
    max(r.last_sequence) AS last_sequence,
    max(r.received_at) AS received_at,
    groupBitOr(if(intDiv(r.first_sequence, 256) % 4 = 0, bitShiftLeft(toUInt256(1), r.first_sequence % 256), toUInt256(0))) AS present_0,
    groupBitOr(if(intDiv(r.first_sequence, 256) % 4 = 1, bitShiftLeft(toUInt256(1), r.first_sequence % 256), toUInt256(0))) AS present_1,
    groupBitOr(if(intDiv(r.first_sequence, 256) % 4 = 2, bitShiftLeft(toUInt256(1), r.first_sequence % 256), toUInt256(0))) AS present_2,
    groupBitOr(if(intDiv(r.first_sequence, 256) % 4 = 3, bitShiftLeft(toUInt256(1), r.first_sequence % 256), toUInt256(0))) AS present_3
FROM crmscope.ledger AS r
WHERE r.first_sequence = r.last_sequence AND r.disposition = 'stored' AND r.reason = ''
GROUP BY agent_id, spool_id, lane, span, t;

-- Everything else of the ledger: what agents dropped, as ranges of any length, and what was rejected or sampled.
CREATE TABLE IF NOT EXISTS crmscope.ledger_ranges (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    spool_id       UUID CODEC(ZSTD(1)),
    lane           Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    first_sequence UInt64 CODEC(Delta, ZSTD(1)),
    last_sequence  UInt64 CODEC(Delta, ZSTD(1)),
    disposition    Enum8('stored' = 1, 'dropped' = 2, 'sampled' = 3, 'rejected' = 4) CODEC(ZSTD(1)),
    reason         LowCardinality(String) CODEC(ZSTD(1)),
    t              DateTime('UTC') CODEC(Delta, ZSTD(1)),
    -- How often it was told.
    times          SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    items          SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    received_at    SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, spool_id, lane, first_sequence, last_sequence, disposition, reason, t)
TTL t + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.ledger_ranges_view TO crmscope.ledger_ranges AS
SELECT
    r.agent_id AS agent_id, r.spool_id AS spool_id, r.lane AS lane,
    r.first_sequence AS first_sequence, r.last_sequence AS last_sequence,
    r.disposition AS disposition, r.reason AS reason,
    toStartOfDay(toDateTime(r.received_at, 'UTC')) AS t,
    count() AS times,
    sum(r.items) AS items,
    max(r.received_at) AS received_at
FROM crmscope.ledger AS r
WHERE NOT (r.first_sequence = r.last_sequence AND r.disposition = 'stored' AND r.reason = '')
GROUP BY agent_id, spool_id, lane, first_sequence, last_sequence, disposition, reason, t;

-- The highest that each agent said of its lanes.
CREATE TABLE IF NOT EXISTS crmscope.lane_ends (
    agent_id       LowCardinality(String) CODEC(ZSTD(1)),
    spool_id       UUID CODEC(ZSTD(1)),
    lane           Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4) CODEC(ZSTD(1)),
    next_sequence  SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    acked_sequence SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    ts             SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (agent_id, spool_id, lane)
TTL toDateTime(ts) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.lane_ends_view TO crmscope.lane_ends AS
SELECT
    r.agent_id AS agent_id, r.spool_id AS spool_id, r.lane AS lane,
    max(r.next_sequence) AS next_sequence,
    max(r.acked_sequence) AS acked_sequence,
    max(r.ts) AS ts
FROM crmscope.lane_states AS r
GROUP BY agent_id, spool_id, lane;

-- A maximum may be told twice, so what was there before is added at once.
INSERT INTO crmscope.lane_ends (agent_id, spool_id, lane, next_sequence, acked_sequence, ts)
SELECT agent_id, spool_id, lane, max(next_sequence), max(acked_sequence), max(ts) FROM crmscope.lane_states GROUP BY agent_id, spool_id, lane;

-- Sums may not. Where nothing was stored yet they are whole; otherwise from a day on, so that no row of a clock
-- that is ahead is missed, and queries ask the ledger for whatever was received before.
INSERT INTO crmscope.rollup_starts (name, since)
SELECT arrayJoin(['ledger_spans', 'ledger_ranges']),
    if((SELECT count() FROM crmscope.ledger) = 0, toDateTime(0, 'UTC'), toStartOfDay(now('UTC')) + INTERVAL 2 DAY);
