-- Question: which containers use most, and which are held back by their limits?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back; default 900
--   limit UInt32: how many; default 50
-- Columns:
--   agent_id, container: the first 12 digits of its id; pod: its uid or ''; runtime: or ''
--   cores: CPU time used per second of wall time
--   throttled_ratio: periods in which it reached its CPU limit, 0 to 1; NULL without a limit
--   memory_bytes, memory_max_bytes: newest; the limit NULL where there is none
--   memory_used_ratio: 0 to 1; NULL without a limit
--   oom_kills, read_bytes, write_bytes: over the span
--   age_seconds: since the newest row
SELECT r.agent_id AS agent_id, r.container AS container, r.pod AS pod, r.runtime AS runtime,
    sum(r.cpu_us) / 1000 / nullIf(sum(r.interval_ms), 0) AS cores,
    sum(r.throttled_periods) / nullIf(sum(r.cpu_periods), 0) AS throttled_ratio,
    argMax(tuple(r.memory_bytes), r.ts).1 AS memory_bytes,
    argMax(tuple(r.memory_max_bytes), r.ts).1 AS memory_max_bytes,
    memory_bytes / nullIf(memory_max_bytes, 0) AS memory_used_ratio,
    sum(r.oom_kills) AS oom_kills,
    sum(r.read_bytes) AS read_bytes,
    sum(r.write_bytes) AS write_bytes,
    greatest(0, dateDiff('millisecond', max(r.ts), now64(3, 'UTC'))) / 1000 AS age_seconds
FROM crmscope.container_raw AS r
WHERE r.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY agent_id, container, pod, runtime
ORDER BY cores DESC, agent_id, container
LIMIT {limit:UInt32}
