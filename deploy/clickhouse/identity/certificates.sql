-- Question: which agents' certificates are refused?
-- Parameters: none
-- Columns:
--   agent_id; change ('revoked' or 'allowed'); changed_ms: Unix ms; changed_by; note
SELECT
    agent_id, change, toUnixTimestamp64Milli(changed_at) AS changed_ms, changed_by, note
FROM crmscope.certificate_changes
ORDER BY agent_id, changed_at DESC, change
LIMIT 1 BY agent_id
