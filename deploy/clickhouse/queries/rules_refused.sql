-- Question: which rules did agents refuse, in which file and line, and why?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how old the newest heartbeat may be; default 900
-- Columns:
--   agent_id
--   delivered: 1 where a collector delivered it, and file begins with the name of the set; else a file of the host
--   file, line: where; the line from 1, 0 where it is about the whole file or set
--   reason
--   told_ms: when it was told last, by the agent's clock, Unix ms
WITH beats AS
(
    SELECT toString(h.agent_id) AS id, argMax(h.rules_attempted_version, h.ts) AS attempted, argMax(h.rules_refused, h.ts) AS refused
    FROM crmscope.heartbeats AS h
    WHERE h.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR h.agent_id = {agent:String})
    GROUP BY h.agent_id
    HAVING refused > 0
)
SELECT toString(r.agent_id) AS agent_id, r.delivered AS delivered, r.file AS file, r.line AS line, r.reason AS reason,
    toUnixTimestamp64Milli(r.ts) AS told_ms
FROM crmscope.refused_rules AS r
WHERE (toString(r.agent_id), r.ts) IN
(
    SELECT beats.id, max(told.ts) FROM crmscope.refused_rules AS told
    INNER JOIN beats ON beats.id = told.agent_id AND beats.attempted = told.attempted_version
    GROUP BY beats.id
)
ORDER BY agent_id, r.position
