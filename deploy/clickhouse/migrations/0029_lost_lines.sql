-- Lost lines by reason, in the telemetry of sources: the columns that the catalog gained. Only sources
-- that read logs have them, and agents before it do not send them, so they are Nullable. Each
-- statement may be repeated; a block that comes between two of them has no such figures at the levels
-- not reached yet, and loses nothing else.
ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_too_long_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_unfinished_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_untimely_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_forged_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_rotated_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_truncated_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_unreadable_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS lost_known_bytes SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_too_long_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_unfinished_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_untimely_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_forged_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_rotated_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_truncated_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_unreadable_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS lost_known_bytes SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_too_long_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_unfinished_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_untimely_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_forged_lines SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_rotated_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_truncated_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_unreadable_files SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS lost_known_bytes SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_too_long_lines Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_unfinished_lines Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_untimely_lines Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_forged_lines Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_rotated_files Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_truncated_files Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_unreadable_files Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS lost_known_bytes Nullable(UInt64) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1d_view MODIFY QUERY
SELECT
    r.agent_id AS agent_id,
    r.source AS source,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.runs) AS runs,
    sum(r.failures) AS failures,
    sum(r.timeouts) AS timeouts,
    sum(r.duration_us) AS duration_us,
    sum(r.items) AS items,
    sum(r.unparsed) AS unparsed,
    sum(r.dropped) AS dropped,
    sum(r.counter_resets) AS counter_resets,
    sum(r.lost_too_long_lines) AS lost_too_long_lines,
    sum(r.lost_unfinished_lines) AS lost_unfinished_lines,
    sum(r.lost_untimely_lines) AS lost_untimely_lines,
    sum(r.lost_forged_lines) AS lost_forged_lines,
    sum(r.lost_rotated_files) AS lost_rotated_files,
    sum(r.lost_truncated_files) AS lost_truncated_files,
    sum(r.lost_unreadable_files) AS lost_unreadable_files,
    sum(r.lost_known_bytes) AS lost_known_bytes
FROM crmscope.source_1h AS r
GROUP BY agent_id, source, t;

ALTER TABLE crmscope.source_1h_view MODIFY QUERY
SELECT
    r.agent_id AS agent_id,
    r.source AS source,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.runs) AS runs,
    sum(r.failures) AS failures,
    sum(r.timeouts) AS timeouts,
    sum(r.duration_us) AS duration_us,
    sum(r.items) AS items,
    sum(r.unparsed) AS unparsed,
    sum(r.dropped) AS dropped,
    sum(r.counter_resets) AS counter_resets,
    sum(r.lost_too_long_lines) AS lost_too_long_lines,
    sum(r.lost_unfinished_lines) AS lost_unfinished_lines,
    sum(r.lost_untimely_lines) AS lost_untimely_lines,
    sum(r.lost_forged_lines) AS lost_forged_lines,
    sum(r.lost_rotated_files) AS lost_rotated_files,
    sum(r.lost_truncated_files) AS lost_truncated_files,
    sum(r.lost_unreadable_files) AS lost_unreadable_files,
    sum(r.lost_known_bytes) AS lost_known_bytes
FROM crmscope.source_1m AS r
GROUP BY agent_id, source, t;

ALTER TABLE crmscope.source_1m_view MODIFY QUERY
SELECT
    r.agent_id AS agent_id,
    r.source AS source,
    toStartOfMinute(r.ts) AS t,
    count() AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.ts) AS last_ts,
    sum(r.runs) AS runs,
    sum(r.failures) AS failures,
    sum(r.timeouts) AS timeouts,
    sum(r.duration_us) AS duration_us,
    sum(r.items) AS items,
    sum(r.unparsed) AS unparsed,
    sum(r.dropped) AS dropped,
    sum(r.counter_resets) AS counter_resets,
    sum(r.lost_too_long_lines) AS lost_too_long_lines,
    sum(r.lost_unfinished_lines) AS lost_unfinished_lines,
    sum(r.lost_untimely_lines) AS lost_untimely_lines,
    sum(r.lost_forged_lines) AS lost_forged_lines,
    sum(r.lost_rotated_files) AS lost_rotated_files,
    sum(r.lost_truncated_files) AS lost_truncated_files,
    sum(r.lost_unreadable_files) AS lost_unreadable_files,
    sum(r.lost_known_bytes) AS lost_known_bytes
FROM crmscope.source_raw AS r
GROUP BY agent_id, source, t;
