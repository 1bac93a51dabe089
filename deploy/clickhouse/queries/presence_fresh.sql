-- Question: of which hosts was evidence stored lately, and of what time is it?
-- Parameters:
--   after_ms Int64: stored after this, by ClickHouse's clock, Unix ms
-- Columns:
--   agent_id; first_ms: when the earliest of its new heartbeats was made, by the collectors' clock, Unix ms
--   stored_ms: when the last one was stored
SELECT
    agent_id,
    min(toUnixTimestamp64Milli(received_at) - greatest(0, late_ms)) AS first_ms,
    max(toUnixTimestamp64Milli(stored_at)) AS stored_ms
FROM crmscope.arrivals
-- A clock that was set back hides nothing of the last minutes.
WHERE stored_at > least(fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC'), now64(3, 'UTC') - INTERVAL 3 MINUTE)
GROUP BY agent_id
ORDER BY agent_id
