-- Question: what is thought of each expected host now, and when was it last heard?
-- Parameters:
--   agent String: one agent; default '', all of them
-- Columns:
--   agent_id, role, host_group, is_enrolled, since_ms, retired_at_ms: see expected_hosts
--   state: unknown, up, suspect, down, maintenance or retired, as the detector last said; unknown where it
--     never did, and for everybody when no collector watches
--   state_ms: since when, Unix ms, 0 where it is not known
--   heard_ms: last heartbeat by the agent's clock, Unix ms, 0 where none is kept
WITH
    changes AS
    (
        SELECT agent_id, argMax(c.role, changed_at) AS role, argMax(c.host_group, changed_at) AS host_group,
            argMax(c.expected_since_ms, changed_at) AS expected_since_ms, argMax(c.retired_at_ms, changed_at) AS retired_at_ms
        FROM crmscope.host_changes AS c GROUP BY agent_id
    ),
    heard AS (SELECT toString(agent_id) AS agent_id, max(last_ts) AS last_ts FROM crmscope.presence_1d GROUP BY agent_id),
    states AS
    (
        SELECT toString(agent_id) AS agent_id, argMax(s.state, s.changed_at) AS state, max(s.changed_at) AS since
        FROM crmscope.host_states AS s GROUP BY agent_id
    ),
    known AS
    (
        SELECT agent_id, min(hello) AS hello FROM
        (
            SELECT agent_id, toDateTime64('2200-01-01 00:00:00', 3, 'UTC') AS hello FROM changes
            UNION ALL
            SELECT toString(agent_id), connected_at FROM crmscope.agents
        )
        WHERE {agent:String} = '' OR agent_id = {agent:String}
        GROUP BY agent_id
    )
SELECT
    known.agent_id AS agent_id, changes.role AS role, changes.host_group AS host_group,
    changes.agent_id != '' AS is_enrolled,
    if(changes.expected_since_ms > 0, changes.expected_since_ms, if(known.hello < '2200-01-01', toUnixTimestamp64Milli(known.hello), 0)) AS since_ms,
    changes.retired_at_ms AS retired_at_ms,
    toString(states.state) AS state,
    if(states.agent_id = '', 0, toUnixTimestamp64Milli(states.since)) AS state_ms,
    if(heard.agent_id = '', 0, toUnixTimestamp64Milli(heard.last_ts)) AS heard_ms
FROM known
LEFT JOIN changes ON changes.agent_id = known.agent_id
LEFT JOIN heard ON heard.agent_id = known.agent_id
LEFT JOIN states ON states.agent_id = known.agent_id
ORDER BY agent_id
SETTINGS join_use_nulls = 0
