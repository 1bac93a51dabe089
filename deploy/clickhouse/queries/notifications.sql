-- Question: what became of the notifications of incidents?
-- Parameters:
--   incidents String: ids of incidents, separated by commas; default '', all of them
-- Columns:
--   incident_id
--   phase: firing or resolved
--   target: alertmanager, webhook or mail
--   outcome: delivered, or given_up where the receiver refused it for good
--   kind: of the incident; agent_id: its host, '' where it is about many
--   delivered_ms: when the last attempt ended, by the collector's clock, Unix ms
--   attempts: how many it took
SELECT toString(n.incident_id) AS incident_id, toString(n.phase) AS phase, n.target AS target,
    toString(min(n.outcome)) AS outcome, any(n.kind) AS kind, any(n.agent_id) AS agent_id,
    min(toUnixTimestamp64Milli(n.delivered_at)) AS delivered_ms, max(n.attempts) AS attempts
FROM crmscope.notifications AS n
WHERE {incidents:String} = ''
    OR n.incident_id IN (SELECT toUUIDOrZero(arrayJoin(splitByChar(',', {incidents:String}))))
GROUP BY n.incident_id, n.phase, n.target
ORDER BY delivered_ms, incident_id, phase, target
