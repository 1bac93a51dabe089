-- Question: which enrolment tokens are there, and how often were they used?
-- Parameters:
--   token String: only this one; default '', all of them
-- Columns:
--   token_id; secret_sha256 (hexadecimal); agent_id (the only one that may use it, or empty); role, host_group
--   agents_max, agents: how many agents may use it, and did
--   created_ms, created_by; expires_ms; revoked_ms: Unix ms, 0 where it is not revoked
SELECT
    token_id, secret_sha256, agent_id, role, host_group, agents_max, created_ms, created_by, expires_ms, revoked_ms,
    used.agents AS agents
FROM
(
    SELECT
        token_id,
        argMax(secret_sha256, changed_at) AS secret_sha256,
        argMax(agent_id, changed_at) AS agent_id,
        argMax(role, changed_at) AS role,
        argMax(host_group, changed_at) AS host_group,
        argMax(agents_max, changed_at) AS agents_max,
        argMax(expires_ms, changed_at) AS expires_ms,
        min(toUnixTimestamp64Milli(changed_at)) AS created_ms,
        argMin(changed_by, changed_at) AS created_by,
        maxIf(toUnixTimestamp64Milli(changed_at), change = 'revoked') AS revoked_ms
    FROM crmscope.enrolment_tokens
    WHERE token_id = {token:String} OR {token:String} = ''
    GROUP BY token_id
) AS tokens
LEFT JOIN
(
    SELECT token_id, uniqExact(agent_id) AS agents
    FROM crmscope.enrolments
    WHERE kind = 'enrolled' AND (token_id = {token:String} OR {token:String} = '')
    GROUP BY token_id
) AS used USING (token_id)
ORDER BY created_ms, token_id
