-- Question: which watched units are not well?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back; default 900
-- Columns:
--   agent_id, unit
--   active_state: newest, in systemd's words; unknown is a word of a later version
--   loaded: 0 when systemd knows no such unit
--   starts, automatic_restarts: over the span; NULL for units that run no program
--   since_change_seconds: how long it has been in its state; NULL if it never changed
--   memory_bytes: newest; NULL where systemd does not account for it
--   age_seconds: since the newest row
SELECT r.agent_id AS agent_id, r.unit AS unit,
    transform(argMax(r.active_state, r.ts), [1, 2, 3, 4, 5, 6, 7, 8],
        ['active', 'reloading', 'inactive', 'failed', 'activating', 'deactivating', 'maintenance', 'refreshing'], 'unknown') AS active_state,
    argMax(r.loaded, r.ts) AS loaded,
    sum(r.starts) AS starts,
    sum(r.automatic_restarts) AS automatic_restarts,
    argMax(tuple(r.since_change_ms), r.ts).1 / 1000 AS since_change_seconds,
    argMax(tuple(r.memory_bytes), r.ts).1 AS memory_bytes,
    greatest(0, dateDiff('millisecond', max(r.ts), now64(3, 'UTC'))) / 1000 AS age_seconds
FROM crmscope.unit_raw AS r
WHERE r.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY agent_id, unit
ORDER BY active_state = 'failed' DESC, active_state != 'active' DESC, automatic_restarts DESC, agent_id, unit
