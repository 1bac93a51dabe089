-- Question: which heartbeats were stored lately, in order?
-- Parameters:
--   after_ms Int64: only those stored after this, by ClickHouse's clock, Unix ms; default 0
--   seconds UInt32: and not longer ago than this; default 900
-- Columns:
--   agent_id, start_id, number (from 1 at every start); goodbye: 1 where the agent was stopped, 2 its host
--   received_ms: by the collector's clock, Unix ms
--   late_ms: from when it was made until then, as far as clocks are known
--   stored_ms, now_ms: by ClickHouse's clock, Unix ms
SELECT
    agent_id, toString(start_id) AS start_id, beat AS number, goodbye,
    toUnixTimestamp64Milli(received_at) AS received_ms, late_ms,
    toUnixTimestamp64Milli(stored_at) AS stored_ms,
    toUnixTimestamp64Milli(now64(3, 'UTC')) AS now_ms
FROM crmscope.arrivals
-- A clock that was set back hides nothing of the last seconds.
WHERE stored_at > least(fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC'), now64(3, 'UTC') - INTERVAL 10 SECOND)
    AND stored_at > now64(3, 'UTC') - toIntervalSecond({seconds:UInt32})
ORDER BY stored_at, agent_id, received_at, beat
