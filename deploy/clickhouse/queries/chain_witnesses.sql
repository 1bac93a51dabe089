-- Question: which links do heartbeats tell of?
-- Heartbeats travel on another lane than security events, so they witness what became of those.
-- Parameters:
--   agent String: one agent; default '', all of them
-- Columns:
--   agent_id, spool_id, sequence, link; created_ms: when the batch was made, Unix ms
--   told_ms: the first heartbeat that tells of it, Unix ms
SELECT
    toString(s.agent_id) AS agent_id,
    toString(s.spool_id) AS spool_id,
    s.chain_sequence AS sequence,
    s.chain_link AS link,
    min(s.chain_created_ms) AS created_ms,
    toUnixTimestamp64Milli(min(s.ts)) AS told_ms
FROM crmscope.lane_states AS s
WHERE ({agent:String} = '' OR s.agent_id = {agent:String}) AND s.lane = 'security' AND s.chain_sequence > 0
GROUP BY agent_id, spool_id, sequence, link
ORDER BY agent_id, spool_id, sequence, link;
