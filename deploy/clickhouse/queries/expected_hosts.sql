-- Question: which hosts are expected, since when, and until when?
-- Parameters:
--   agent String: one agent; default '', all of them
-- Columns:
--   agent_id; role, host_group: as enrolled
--   is_enrolled: whether somebody named it, or it only reports
--   expected_since_ms: as enrolled, Unix ms; 0 from the first heartbeat on
--   since_ms: the same, or else its last hello
--   retired_at_ms: Unix ms, 0 where it is not retired
--   changed_ms: when somebody last said so, Unix ms; 0 where nobody named it
SELECT
    agent_id,
    max(known.role) AS role,
    max(known.host_group) AS host_group,
    max(known.is_enrolled) AS is_enrolled,
    max(known.expected_since_ms) AS expected_since_ms,
    if(expected_since_ms > 0, expected_since_ms, max(known.connected_ms)) AS since_ms,
    max(known.retired_at_ms) AS retired_at_ms,
    max(known.changed_ms) AS changed_ms
FROM
(
    SELECT
        agent_id,
        argMax(c.role, changed_at) AS role,
        argMax(c.host_group, changed_at) AS host_group,
        1 AS is_enrolled,
        argMax(c.expected_since_ms, changed_at) AS expected_since_ms,
        toInt64(0) AS connected_ms,
        argMax(c.retired_at_ms, changed_at) AS retired_at_ms,
        toUnixTimestamp64Milli(max(changed_at)) AS changed_ms
    FROM crmscope.host_changes AS c
    WHERE {agent:String} = '' OR agent_id = {agent:String}
    GROUP BY agent_id
    UNION ALL
    SELECT toString(agent_id), '', '', 0, toInt64(0), toUnixTimestamp64Milli(max(connected_at)), toInt64(0), toInt64(0)
    FROM crmscope.agents
    WHERE {agent:String} = '' OR agent_id = {agent:String}
    GROUP BY agent_id
) AS known
GROUP BY agent_id
ORDER BY agent_id
