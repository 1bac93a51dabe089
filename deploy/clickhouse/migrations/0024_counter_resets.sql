-- Counters that began again, in the telemetry of sources: the column that the catalog gained. Agents
-- before it do not send it, so it is Nullable. Each statement may be repeated; a block that comes
-- between two of them has no such figure at the levels not reached yet, and loses nothing else.
ALTER TABLE crmscope.source_1d ADD COLUMN IF NOT EXISTS counter_resets SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1h ADD COLUMN IF NOT EXISTS counter_resets SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_1m ADD COLUMN IF NOT EXISTS counter_resets SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(T64, ZSTD(1));

ALTER TABLE crmscope.source_raw ADD COLUMN IF NOT EXISTS counter_resets Nullable(UInt64) CODEC(T64, ZSTD(1));

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
    sum(r.counter_resets) AS counter_resets
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
    sum(r.counter_resets) AS counter_resets
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
    sum(r.counter_resets) AS counter_resets
FROM crmscope.source_raw AS r
GROUP BY agent_id, source, t;
