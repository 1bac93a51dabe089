-- Question: of which hosts are there heartbeats, and since when?
-- Parameters:
--   agent String: one agent; default '', all of them
-- Columns:
--   agent_id
--   first_ms: the first heartbeat that is kept, by the collector's clock as far as the agent's was measured, Unix ms
SELECT agent_id, min(least(toUnixTimestamp64Milli(received_at), toUnixTimestamp64Milli(ts) + ifNull(clock_offset_ms, 0))) AS first_ms
FROM crmscope.heartbeats
WHERE {agent:String} = '' OR agent_id = {agent:String}
GROUP BY agent_id
ORDER BY agent_id
