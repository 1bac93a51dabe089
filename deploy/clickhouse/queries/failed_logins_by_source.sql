-- Question: where do failed logins come from, and did any of those sources get in?
-- Each attempt counts once: what PAM, auditd and sshd's other lines say about it again is left out.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last day
--   limit UInt32: how many sources; default 50
-- Columns:
--   source_address: as logged, '' where the log has none (console)
--   failed_logins, successful_logins: count over the range
--   succeeded_after_failing: 1 when the last success came after the first failure
--   agents: hosts tried; users: different names tried; user_sample: up to 5 of them (a stranger's text)
--   services, methods: what was tried
--   first_ts, last_ts: first and last failure
SELECT e.source_address AS source_address,
    sumIf(e.count, e.status_id = 2) AS failed_logins,
    sumIf(e.count, e.status_id = 1) AS successful_logins,
    countIf(e.status_id = 1) > 0 AND maxIf(e.ts, e.status_id = 1) > minIf(e.ts, e.status_id = 2) AS succeeded_after_failing,
    uniqExactIf(e.agent_id, e.status_id = 2) AS agents,
    uniqExactIf(e.user, e.status_id = 2) AS users,
    arraySort(groupUniqArrayIf(5)(e.user, e.status_id = 2)) AS user_sample,
    arraySort(groupUniqArrayIf(8)(e.service, e.status_id = 2)) AS services,
    arraySort(groupUniqArrayIf(8)(e.method, e.status_id = 2)) AS methods,
    minIf(e.ts, e.status_id = 2) AS first_ts,
    maxIf(e.ts, e.status_id = 2) AS last_ts
FROM crmscope.security_events AS e
-- The hour leads the key, so it is what skips granules.
WHERE toStartOfHour(e.ts) >= toStartOfHour({from:DateTime('UTC')}) AND e.ts >= {from:DateTime('UTC')} AND e.ts < {to:DateTime('UTC')}
    AND e.kind IN ('ssh_login', 'app_login', 'sudo_password') AND ({agent:String} = '' OR e.agent_id = {agent:String})
GROUP BY source_address
HAVING failed_logins > 0
ORDER BY failed_logins DESC, source_address
LIMIT {limit:UInt32}
