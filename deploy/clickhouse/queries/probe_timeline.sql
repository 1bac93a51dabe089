-- Question: was a service there for those who asked for it, from how many places, and how fast?
-- Reads minutes (kept 90 days), and single runs for the quantile (kept 7 days).
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last day
--   step_seconds UInt32: length of a step, whole minutes; default 300
-- Columns:
--   t: start of the step, by when runs began; a step without a run is left out
--   agents: from how many; targets: how many of the service
--   runs, good_runs: how many; good_share: 0 to 1
--   worst_agent_share: the share of the agent that saw least of it
--   good_mean_ms, good_max_ms: whole good runs; NULL where none was good
--   good_p95_ms: the same, exact; NULL also where single runs are gone
--   certificate_days: the least time that was left to a certificate; NULL without TLS
SELECT m.t AS t, count() AS agents, max(m.targets) AS targets,
    sum(m.runs) AS runs, sum(m.good_runs) AS good_runs,
    good_runs / runs AS good_share,
    min(m.good_runs / m.runs) AS worst_agent_share,
    sum(m.good_us) / nullIf(good_runs, 0) / 1000 AS good_mean_ms,
    max(m.good_max_us) / 1000 AS good_max_ms,
    any(q.good_p95_us) / 1000 AS good_p95_ms,
    min(m.certificate_seconds) / 86400 AS certificate_days
FROM (
    SELECT toStartOfInterval(r.t, toIntervalSecond({step_seconds:UInt32})) AS t, r.agent_id AS agent_id,
        uniqExact(r.service, r.target) AS targets,
        sum(r.ticks) AS runs, sum(r.up_sum) AS good_runs,
        sum(r.good_duration_us_sum) AS good_us, max(r.good_duration_us_max) AS good_max_us,
        min(r.certificate_expires_seconds_min) AS certificate_seconds
    FROM crmscope.probe_1m AS r
    WHERE r.t >= {from:DateTime('UTC')} AND r.t < {to:DateTime('UTC')} AND ({service:String} = '' OR r.service = {service:String})
    GROUP BY t, agent_id
) AS m
LEFT JOIN (
    SELECT toStartOfInterval(r.ts, toIntervalSecond({step_seconds:UInt32})) AS t,
        quantileExactOrNull(0.95)(r.good_duration_us) AS good_p95_us
    FROM crmscope.probe_raw AS r
    WHERE r.ts >= {from:DateTime('UTC')} AND r.ts < {to:DateTime('UTC')} AND ({service:String} = '' OR r.service = {service:String})
    GROUP BY t
) AS q ON m.t = q.t
GROUP BY t
ORDER BY t
