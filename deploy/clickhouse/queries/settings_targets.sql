-- Question: which settings are agents to have, by the word of the collectors?
-- Parameters: none
-- Columns:
--   agent_id
--   version: as in heartbeats.settings_version; 0 is the agent's own file
--   sets: names of the sets
SELECT t.agent_id AS agent_id, argMax(t.version, t.changed_at) AS version, argMax(t.sets, t.changed_at) AS sets
FROM crmscope.settings_targets AS t
GROUP BY t.agent_id
ORDER BY agent_id
