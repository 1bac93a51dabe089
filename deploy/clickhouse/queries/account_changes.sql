-- Question: which accounts and groups changed on the hosts, who changed them, and who became root's equal?
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last 7 days
--   limit UInt32: how many events; default 200
-- Columns:
--   ts, agent_id, service: when, where, and the program or application that said so
--   kind: account_created, group_member_added, password_changed …; audit_… is auditd's view of the same
--   status_id: 1 done, 2 failed, 0 not told; severity_id: 4 where it gives the rights of root
--   target_user: whose account; user: who did it, '' where the log does not tell (strangers' texts)
--   detail: the group, or what changed; changes: count, how often
-- The worst first, then the newest.
SELECT e.ts AS ts, e.agent_id AS agent_id, e.service AS service, e.kind AS kind,
    e.status_id AS status_id, e.severity_id AS severity_id,
    e.target_user AS target_user, e.user AS user, e.detail AS detail, e.count AS changes
FROM crmscope.security_events AS e
-- The hour leads the key, so it is what skips granules.
WHERE toStartOfHour(e.ts) >= toStartOfHour({from:DateTime('UTC')}) AND e.ts >= {from:DateTime('UTC')} AND e.ts < {to:DateTime('UTC')}
    AND e.class_uid IN (3001, 3006) AND ({agent:String} = '' OR e.agent_id = {agent:String})
ORDER BY severity_id DESC, ts DESC, agent_id, kind, target_user
LIMIT {limit:UInt32}
