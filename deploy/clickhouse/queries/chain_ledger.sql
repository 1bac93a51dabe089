-- Question: what became of security batches, and which were dropped?
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): when a collector received them; dropped ranges are there whenever they were told
-- Columns:
--   agent_id, spool_id; first_sequence, last_sequence; disposition; items; received_ms: Unix ms
SELECT
    toString(l.agent_id) AS agent_id,
    toString(l.spool_id) AS spool_id,
    l.first_sequence AS first_sequence,
    l.last_sequence AS last_sequence,
    toString(l.disposition) AS disposition,
    l.items AS items,
    toUnixTimestamp64Milli(l.received_at) AS received_ms
FROM crmscope.ledger AS l
WHERE ({agent:String} = '' OR l.agent_id = {agent:String}) AND l.lane = 'security'
  AND (l.disposition = 'dropped' OR (l.received_at >= {from:DateTime('UTC')} AND l.received_at < {to:DateTime('UTC')}))
ORDER BY toString(l.agent_id), toString(l.spool_id), l.disposition != 'dropped', l.first_sequence;
