-- Question: up to where were each agent's security batches stored, by what else tells it?
-- A batch that was acknowledged, or that the ledger counted, and has no link any more was deleted.
-- Parameters:
--   agent String: one agent; default '', all of them
--   to DateTime('UTC'): newer heartbeats do not tell what was acknowledged, as it may still be on its way out of Kafka
-- Columns:
--   agent_id, spool_id; settled_sequence: acknowledged, by the agent's heartbeats or ledger_high_water
--   told_ms: the newest heartbeat's time, Unix ms, 0 without any; chain_sequence: the head that it tells, 0 for none
SELECT agent_id, spool_id, max(settled) AS settled_sequence, max(told) AS told_ms, max(head) AS chain_sequence
FROM
(
    SELECT toString(s.agent_id) AS agent_id, toString(s.spool_id) AS spool_id, maxIf(s.acked_sequence, s.ts < {to:DateTime('UTC')}) AS settled,
        toUnixTimestamp64Milli(max(s.ts)) AS told, argMax(s.chain_sequence, s.ts) AS head
    FROM crmscope.lane_states AS s
    WHERE ({agent:String} = '' OR s.agent_id = {agent:String}) AND s.lane = 'security'
    GROUP BY agent_id, spool_id
    UNION ALL
    SELECT toString(h.agent_id) AS agent_id, toString(h.spool_id) AS spool_id, max(h.last_sequence) AS settled,
        toInt64(0) AS told, toUInt64(0) AS head
    FROM crmscope.ledger_high_water AS h
    WHERE ({agent:String} = '' OR h.agent_id = {agent:String}) AND h.lane = 'security'
    GROUP BY agent_id, spool_id
)
GROUP BY agent_id, spool_id
ORDER BY agent_id, spool_id;
