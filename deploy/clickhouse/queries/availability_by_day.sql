-- Question: how available was each host, day by day of UTC?
-- Parameters:
--   from DateTime('UTC'), to DateTime('UTC'): the time
--   agent String: one agent; default '', all of them
-- Columns:
--   day, agent_id
--   total_low, total_high, server_low, server_high, network_low, network_high: share of the time that it was
--     up, 0 to 1: with what is unknown taken for down, and for up
--   total_down_seconds, unknown_seconds
SELECT
    toDate(t) AS day,
    agent_id,
    sum(total_up_ms) / (sum(total_up_ms + total_down_ms + total_unknown_ms) AS all_ms) AS total_low,
    1 - sum(total_down_ms) / all_ms AS total_high,
    sum(server_up_ms) / all_ms AS server_low,
    1 - sum(server_down_ms) / all_ms AS server_high,
    sum(network_up_ms) / all_ms AS network_low,
    1 - sum(network_down_ms) / all_ms AS network_high,
    sum(total_down_ms) / 1000 AS total_down_seconds,
    sum(total_unknown_ms) / 1000 AS unknown_seconds
FROM crmscope.presence_hours FINAL
WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
GROUP BY day, agent_id
HAVING all_ms > 0
ORDER BY day, agent_id
