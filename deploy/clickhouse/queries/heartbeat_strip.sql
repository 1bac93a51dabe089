-- Question: in how much of each step was a host heard?
-- Reads minutes (kept 90 days) below an hour a step, hours (kept 800 days) from there on. That it was not heard is
-- not yet that it was down: the availability report tells these apart.
-- Parameters:
--   agent String: the agent's id
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step, whole minutes; default 60
-- Columns:
--   t: start of the step; steps in which no heartbeat fell have no row
--   heard_ratio: share of the step's slots of 10 s in which a heartbeat fell, 0 to 1
SELECT toStartOfInterval(s.at, toIntervalSecond({step_seconds:UInt32})) AS t,
    least(1, sum(s.slots) * 10 / {step_seconds:UInt32}) AS heard_ratio
FROM (
    SELECT m.t AS at, bitCount(groupBitOr(m.up)) AS slots
    FROM crmscope.presence_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND m.agent_id = {agent:String} AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')}
    GROUP BY at
    UNION ALL
    SELECT h.t AS at, bitmapCardinality(groupBitmapMergeState(h.up_slots))
    FROM crmscope.presence_1h AS h
    WHERE {step_seconds:UInt32} >= 3600 AND h.agent_id = {agent:String} AND h.t >= {from:DateTime('UTC')} AND h.t < {to:DateTime('UTC')}
    GROUP BY at
) AS s
GROUP BY t
ORDER BY t
