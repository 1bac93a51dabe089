-- Question: what was proven of some hosts, hour by hour?
-- Parameters:
--   agents Array(String): the agents
--   from DateTime('UTC'), to DateTime('UTC'): the time, in whole hours
-- Columns:
--   agent_id; t: Unix s of the hour; version: when it was judged last, Unix ms; open_ms: where the time begins of
--     which nothing was known yet at its end, else its end, Unix ms
--   from_ms, to_ms, server, network, agent, reason: its intervals; parts are 0 unknown, 1 up, 2 down
SELECT agent_id, toUnixTimestamp(t) AS t, version, open_ms, from_ms, to_ms, server, network, agent, reason
FROM crmscope.presence_hours FINAL
WHERE agent_id IN {agents:Array(String)} AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
ORDER BY agent_id, t
