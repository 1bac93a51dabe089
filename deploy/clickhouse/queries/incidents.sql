-- Question: what is wrong, and what was lately?
-- Parameters:
--   seconds UInt32: those that ended within this time besides those that last; default 86400
-- Columns:
--   incident_id, kind, agent_id (empty where it is many hosts or an objective), role, host_group, objective
--   began_ms; ended_ms: 0 while it lasts; Unix ms
--   summary: what is known and how; version: of the row
SELECT toString(incident_id) AS incident_id, kind, agent_id, role, host_group, objective, began_ms, ended_ms, summary, version
FROM crmscope.incidents FINAL
WHERE ended_ms = 0 OR ended_ms > toUnixTimestamp64Milli(now64(3, 'UTC')) - 1000 * toInt64({seconds:UInt32})
ORDER BY began_ms DESC, incident_id
