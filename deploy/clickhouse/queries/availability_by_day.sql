-- Question: how available was each host, day by day of UTC?
-- Of hours that are judged, as far as the host is expected in them by what is said of it now. Maintenance is not
-- left out; `crmscope-collector availability --step day` does that.
-- Parameters:
--   from DateTime('UTC'), to DateTime('UTC'): the time; default the last 7 days
--   agent String: one agent; default '', all of them
-- Columns:
--   day, agent_id
--   total_low, total_high, server_low, server_high, network_low, network_high: share of the time that it was
--     up, 0 to 1: with what is unknown taken for down, and for up
--   total_down_seconds, unknown_seconds
WITH
    arrayMap((f, u) -> greatest(0, least(u, if(retired_ms = 0, u, retired_ms)) - greatest(f, since_ms)), from_ms, to_ms) AS lengths,
    (lengths, states, state) -> arraySum((length, s) -> if(s = state, length, 0), lengths, states) AS time_of,
    arrayMap((s, n) -> multiIf(s = 2 OR n = 2, 2, s = 1 AND n = 1, 1, 0), server, network) AS totals
SELECT
    toDate(t) AS day,
    hours.agent_id AS agent_id,
    sum(time_of(lengths, totals, 1)) / (sum(arraySum(lengths)) AS all_ms) AS total_low,
    1 - sum(time_of(lengths, totals, 2)) / all_ms AS total_high,
    sum(time_of(lengths, server, 1)) / all_ms AS server_low,
    1 - sum(time_of(lengths, server, 2)) / all_ms AS server_high,
    sum(time_of(lengths, network, 1)) / all_ms AS network_low,
    1 - sum(time_of(lengths, network, 2)) / all_ms AS network_high,
    sum(time_of(lengths, totals, 2)) / 1000 AS total_down_seconds,
    sum(time_of(lengths, totals, 0)) / 1000 AS unknown_seconds
FROM
(
    SELECT toString(agent_id) AS agent_id, t, from_ms, to_ms, server, network
    FROM crmscope.presence_hours FINAL
    WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
) AS hours
LEFT JOIN
(
    SELECT agent_id, argMax(expected_since_ms, changed_at) AS since_ms, argMax(retired_at_ms, changed_at) AS retired_ms
    FROM crmscope.host_changes
    GROUP BY agent_id
) AS expected ON expected.agent_id = hours.agent_id
GROUP BY day, agent_id
HAVING all_ms > 0
ORDER BY agent_id, day
