-- Question: how much was stored over time, and was any of it dropped or rejected?
-- ledger_by_minute, all agents and lanes together.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range of the agents' clocks, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step, whole minutes; default 60
-- Columns:
--   t: start of the step in which the batches were made; agents: how many had batches in it
--   stored_items, sampled_items, rejected_items, dropped_items: rows, lines and events
--   batches, bytes: of all of them, as sent
SELECT toStartOfInterval(r.t, toIntervalSecond({step_seconds:UInt32})) AS t,
    uniqExact(r.agent_id) AS agents,
    sumIf(r.items, r.disposition = 'stored') AS stored_items,
    sumIf(r.items, r.disposition = 'sampled') AS sampled_items,
    sumIf(r.items, r.disposition = 'rejected') AS rejected_items,
    sumIf(r.items, r.disposition = 'dropped') AS dropped_items,
    sum(r.batches) AS batches,
    sum(r.bytes) AS bytes
FROM crmscope.ledger_1m AS r
WHERE r.t >= {from:DateTime('UTC')} AND r.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY t
ORDER BY t
