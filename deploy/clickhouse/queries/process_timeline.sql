-- Question: what did the watched programs of a host use over time?
-- Reads minutes (kept 90 days) below an hour a step, hours (kept 800 days) from there on. Steps without data have
-- no row.
-- Parameters:
--   agent String: the agent's id
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step, whole minutes; default 60
-- Columns:
--   t: start of the step; process: the watched group
--   cores: CPU time used per second of wall time
--   resident_bytes: mean of the step; processes: lowest of the step, 0 means that it did not run for a while
SELECT toStartOfInterval(r.at, toIntervalSecond({step_seconds:UInt32})) AS t, r.process AS process,
    sum(r.cpu_us) / 1000 / nullIf(sum(r.interval_ms), 0) AS cores,
    sum(r.resident_sum) / nullIf(sum(r.ticks), 0) AS resident_bytes,
    min(r.processes_low) AS processes
FROM (
    SELECT m.t AS at, process, interval_ms, ticks, cpu_user_us + cpu_system_us AS cpu_us, resident_bytes_sum AS resident_sum, processes_min AS processes_low
    FROM crmscope.process_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND agent_id = {agent:String} AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')}
    UNION ALL
    SELECT h.t, process, interval_ms, ticks, cpu_user_us + cpu_system_us, resident_bytes_sum, processes_min
    FROM crmscope.process_1h AS h
    WHERE {step_seconds:UInt32} >= 3600 AND agent_id = {agent:String} AND h.t >= {from:DateTime('UTC')} AND h.t < {to:DateTime('UTC')}
) AS r
GROUP BY t, process
ORDER BY process, t
