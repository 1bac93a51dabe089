-- Question: how many logins failed and succeeded over time, what else happened, and how much of that is known?
-- Reads minutes (kept 90 days) below an hour a step, hours (kept 800 days) from there on.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step, whole minutes; default 60
-- Columns:
--   t: start of the step; steps without an event and without a host that looked have no row
--   failed_logins, successful_logins: each attempt counts once; exports; other_events: count
--   covered_ratio: how much of the step the hosts that look for security events reported of, 0 to 1; NULL where none looks
WITH (
    SELECT uniqExact(s.agent_id) FROM crmscope.source_1h AS s
    WHERE s.source = 'security' AND s.t >= toStartOfHour({from:DateTime('UTC')}) AND s.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR s.agent_id = {agent:String})
) AS hosts
SELECT toStartOfInterval(r.at, toIntervalSecond({step_seconds:UInt32})) AS t,
    sumIf(r.events, r.is_login AND r.status_id = 2) AS failed_logins,
    sumIf(r.events, r.is_login AND r.status_id = 1) AS successful_logins,
    sumIf(r.events, r.kind = 'data_export') AS exports,
    sumIf(r.events, NOT r.is_login AND r.kind != 'data_export') AS other_events,
    -- least() passes over NULL.
    if(hosts = 0, NULL, least(1, sum(r.covered_ms) / 1000 / {step_seconds:UInt32} / hosts)) AS covered_ratio
FROM (
    SELECT m.t AS at, toString(kind) AS kind, kind IN ('ssh_login', 'app_login', 'sudo_password') AS is_login, status_id, events, 0 AS covered_ms
    FROM crmscope.security_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT h.t, toString(kind), kind IN ('ssh_login', 'app_login', 'sudo_password'), status_id, events, 0
    FROM crmscope.security_1h AS h
    WHERE {step_seconds:UInt32} >= 3600 AND h.t >= {from:DateTime('UTC')} AND h.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT s.t, '', 0, 0, 0, interval_ms
    FROM crmscope.source_1m AS s
    WHERE {step_seconds:UInt32} < 3600 AND s.source = 'security' AND s.t >= {from:DateTime('UTC')} AND s.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT s.t, '', 0, 0, 0, interval_ms
    FROM crmscope.source_1h AS s
    WHERE {step_seconds:UInt32} >= 3600 AND s.source = 'security' AND s.t >= {from:DateTime('UTC')} AND s.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
) AS r
GROUP BY t
ORDER BY t
