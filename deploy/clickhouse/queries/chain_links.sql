-- Question: which links do the chains of security batches have?
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): when a collector received them
-- Columns: those of chain_links, in the order in which verify walks them; times are Unix ms
SELECT
    toString(l.agent_id) AS agent_id,
    toString(l.spool_id) AS spool_id,
    l.sequence AS sequence,
    toString(l.boot_id) AS boot_id,
    l.version AS version,
    l.created_ms AS created_ms,
    l.rows AS rows,
    l.rows_digest AS rows_digest,
    l.previous_sequence AS previous_sequence,
    l.previous_created_ms AS previous_created_ms,
    l.previous_link AS previous_link,
    l.link AS link,
    toString(l.found) AS found,
    toUnixTimestamp64Milli(l.received_at) AS received_ms
FROM crmscope.chain_links AS l
WHERE ({agent:String} = '' OR l.agent_id = {agent:String})
  AND l.received_at >= {from:DateTime('UTC')} AND l.received_at < {to:DateTime('UTC')}
ORDER BY toString(l.agent_id), toString(l.spool_id), l.sequence, l.link;
