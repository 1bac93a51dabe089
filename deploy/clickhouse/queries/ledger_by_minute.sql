-- Question: what became of what was emitted, minute by minute?
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range of the agents' clocks, `to` excluded; default the last hour
-- Columns:
--   agent_id, lane; t: minute in which the batches were made
--   stored_batches, sampled_batches, rejected_batches, dropped_batches: count
--   stored_items, sampled_items, rejected_items, dropped_items: rows, lines and events
--   bytes: of all of them, as sent
--   reasons: batches by reason, for those that have one
SELECT r.agent_id AS agent_id, r.lane AS lane, r.t AS t,
    sumIf(r.batches, r.disposition = 'stored') AS stored_batches,
    sumIf(r.batches, r.disposition = 'sampled') AS sampled_batches,
    sumIf(r.batches, r.disposition = 'rejected') AS rejected_batches,
    sumIf(r.batches, r.disposition = 'dropped') AS dropped_batches,
    sumIf(r.items, r.disposition = 'stored') AS stored_items,
    sumIf(r.items, r.disposition = 'sampled') AS sampled_items,
    sumIf(r.items, r.disposition = 'rejected') AS rejected_items,
    sumIf(r.items, r.disposition = 'dropped') AS dropped_items,
    sum(r.bytes) AS bytes,
    sumMap(if(r.reason = '', map(), map(toString(r.reason), r.batches))) AS reasons
FROM crmscope.ledger_1m AS r
WHERE r.t >= {from:DateTime('UTC')} AND r.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY agent_id, lane, t
ORDER BY agent_id, lane, t
