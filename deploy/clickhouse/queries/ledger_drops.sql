-- Question: which ranges of batches did agents give up, from when to when, and why?
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'): ranges that were told of since then; default 0, all of the ledger's 400 days
-- Columns:
--   agent_id, spool_id, lane
--   first_sequence, last_sequence: both ends included
--   batches: how many; items: rows in them, 0 where the agent could not know any more
--   reason: spool_full or spool_corrupt
--   first_created_at, last_created_at: when the first and the last of them were made, UTC; in rows of a
--     collector that knew only the last, both are that
SELECT agent_id, spool_id, lane, first_sequence, last_sequence,
    last_sequence - first_sequence + 1 AS batches, items, reason,
    first_created_at, created_at AS last_created_at
FROM crmscope.ledger
WHERE disposition = 'dropped' AND ({agent:String} = '' OR agent_id = {agent:String}) AND received_at >= {from:DateTime('UTC')}
ORDER BY agent_id, lane, spool_id, first_sequence
