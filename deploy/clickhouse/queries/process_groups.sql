-- Question: do the watched programs run, what do they use, and do they restart?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back; default 900
-- Columns:
--   agent_id, process: the watched group
--   processes: newest; 0 means that it does not run
--   oldest_age_seconds: newest; NULL while nothing runs
--   restarts, started: over the span
--   cores: CPU time used per second of wall time
--   resident_bytes, threads: newest
--   open_files: newest; NULL where the agent may not see them
--   age_seconds: since the newest row
SELECT r.agent_id AS agent_id, r.process AS process,
    argMax(r.processes, r.ts) AS processes,
    argMax(tuple(r.oldest_age_ms), r.ts).1 / 1000 AS oldest_age_seconds,
    sum(r.restarts) AS restarts,
    sum(r.started) AS started,
    (sum(r.cpu_user_us) + sum(r.cpu_system_us)) / 1000 / nullIf(sum(r.interval_ms), 0) AS cores,
    argMax(r.resident_bytes, r.ts) AS resident_bytes,
    argMax(r.threads, r.ts) AS threads,
    argMax(tuple(r.open_files), r.ts).1 AS open_files,
    greatest(0, dateDiff('millisecond', max(r.ts), now64(3, 'UTC'))) / 1000 AS age_seconds
FROM crmscope.process_raw AS r
WHERE r.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY agent_id, process
ORDER BY processes = 0 DESC, restarts DESC, cores DESC, agent_id, process
