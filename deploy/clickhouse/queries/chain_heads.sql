-- Question: with which link does the chain of each agent's security batches end?
-- Kept elsewhere, such a link proves later that nothing before it was changed: verify --head agent=link.
-- Parameters:
--   agent String: one agent; default '', all of them
-- Columns:
--   agent_id, spool_id; sequence: the newest link's; created_at: when its batch was made, by the agent's clock
--   received_at: when a collector received it; link: hexadecimal; links: how many are stored
SELECT
    toString(l.agent_id) AS agent_id,
    toString(l.spool_id) AS spool_id,
    max(l.sequence) AS sequence,
    fromUnixTimestamp64Milli(argMax(l.created_ms, l.sequence), 'UTC') AS created_at,
    argMax(l.received_at, l.sequence) AS received_at,
    argMax(l.link, l.sequence) AS link,
    count() AS links
FROM crmscope.chain_links AS l
WHERE {agent:String} = '' OR l.agent_id = {agent:String}
GROUP BY agent_id, spool_id
ORDER BY agent_id, received_at DESC;
