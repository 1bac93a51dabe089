-- Question: which of the agents' sources fail, run late or read what they do not understand?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far the window reaches back; default 3600, at most 7 days
-- Columns:
--   agent_id, source
--   runs, failures, timeouts: count; failure_ratio: failures and timeouts / runs
--   items, unparsed, dropped: count; unparsed_ratio: unparsed / items, 0 to 1
--   counter_resets: counters that began again or fell, and so had no increment for once
--   duration_mean_us: µs a run
--   age_seconds: since the newest row
SELECT r.agent_id AS agent_id, r.source AS source,
    sum(r.runs) AS runs, sum(r.failures) AS failures, sum(r.timeouts) AS timeouts,
    (failures + timeouts) / nullIf(runs, 0) AS failure_ratio,
    sum(r.items) AS items, sum(r.unparsed) AS unparsed, sum(r.dropped) AS dropped,
    unparsed / nullIf(items, 0) AS unparsed_ratio,
    ifNull(sum(r.counter_resets), 0) AS counter_resets,
    sum(r.duration_us) / nullIf(runs, 0) AS duration_mean_us,
    greatest(0, dateDiff('millisecond', max(r.ts), now64(3, 'UTC'))) / 1000 AS age_seconds
FROM crmscope.source_raw AS r
WHERE r.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY agent_id, source
ORDER BY failure_ratio DESC, unparsed_ratio DESC, agent_id, source
