-- Maintenance windows: a row for every change of one, by whom and when, with all that the window is then.
-- The newest row of a window is in force; all of them are the audit.
CREATE TABLE IF NOT EXISTS crmscope.maintenance_changes (
    window_id  UUID CODEC(ZSTD(1)),
    change     Enum8('added' = 1, 'cancelled' = 2) CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    changed_by String CODEC(ZSTD(1)),
    -- The change is about a time that was over.
    is_retroactive UInt8 CODEC(ZSTD(1)),
    -- One host, or else one group, or else all hosts.
    agent_id   String CODEC(ZSTD(1)),
    host_group LowCardinality(String) CODEC(ZSTD(1)),
    -- Unix ms. Of a window that repeats: its occurrences begin in this time; to_ms 0: for ever.
    from_ms    Int64 CODEC(ZSTD(1)),
    to_ms      Int64 CODEC(ZSTD(1)),
    -- A bit for each day of the week, Monday the lowest; 0: it does not repeat.
    repeat_days           UInt8 CODEC(ZSTD(1)),
    -- Since midnight, by the clocks of the zone.
    repeat_start_minute   UInt16 CODEC(ZSTD(1)),
    repeat_length_minutes UInt32 CODEC(ZSTD(1)),
    zone       LowCardinality(String) CODEC(ZSTD(1)),
    note       String CODEC(ZSTD(1)),
    made_ms    Int64 CODEC(ZSTD(1)),
    made_by    String CODEC(ZSTD(1)),
    -- From then on it is not in force, Unix ms; 0: not cancelled.
    cancelled_ms Int64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (window_id, changed_at)
SETTINGS non_replicated_deduplication_window = 10000;
