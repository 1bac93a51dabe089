-- Question: who else uses this token, and who else is this agent?
-- Parameters:
--   token String; agent String; key String: SHA-256 of its public key, hexadecimal
--   since_ms Int64: what was only asked before, Unix ms, does not count
-- Columns:
--   other_agents: agents that have a certificate by this token, or just ask for one, besides this one
--   other_keys: keys that are this agent's, or just ask to be, besides this one
--   other_keys_of_token: of these, by this token
SELECT
    uniqExactIf(agent_id, token_id = {token:String} AND agent_id != {agent:String}) AS other_agents,
    uniqExactIf(key_sha256, agent_id = {agent:String} AND key_sha256 != {key:String}) AS other_keys,
    uniqExactIf(key_sha256, agent_id = {agent:String} AND key_sha256 != {key:String} AND token_id = {token:String})
        AS other_keys_of_token
FROM crmscope.enrolments
WHERE (agent_id = {agent:String} OR token_id = {token:String})
    AND (kind != 'asked' OR toUnixTimestamp64Milli(happened_at) >= {since_ms:Int64})
