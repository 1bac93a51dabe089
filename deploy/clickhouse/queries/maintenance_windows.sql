-- Question: which maintenance windows are there, or were?
-- Parameters:
--   after_ms Int64: those that may be in force at this time or later, Unix ms; default 0, all of them
-- Columns:
--   window_id; agent_id, host_group, service: whom it is for, by the first that is not empty; all hosts and
--     services where all are
--   from_ms, to_ms: Unix ms; where it repeats, its occurrences begin in this time, for ever where to_ms is 0
--   repeat_days: a bit for each day, Monday the lowest; 0 where it does not repeat
--   repeat_start_minute (since midnight, in its zone), repeat_length_minutes, zone
--   note; made_ms, made_by; cancelled_ms: from then on it is not in force, Unix ms, 0 where it is not cancelled
--   change, changed_ms, changed_by: the newest change; is_retroactive: whether any was about a time that was over
SELECT
    toString(newest.window_id) AS window_id,
    change, toUnixTimestamp64Milli(changed_at) AS changed_ms, changed_by, any_retroactive AS is_retroactive,
    agent_id, host_group, service, from_ms, to_ms, repeat_days, repeat_start_minute, repeat_length_minutes, zone,
    note, made_ms, made_by, cancelled_ms
FROM
(
    SELECT
        window_id, change, changed_at, changed_by,
        max(is_retroactive) OVER (PARTITION BY window_id) AS any_retroactive,
        agent_id, host_group, service, from_ms, to_ms, repeat_days, repeat_start_minute, repeat_length_minutes, zone,
        note, made_ms, made_by, cancelled_ms
    FROM crmscope.maintenance_changes
    ORDER BY window_id, changed_at DESC, change DESC
    LIMIT 1 BY window_id
) AS newest
WHERE (cancelled_ms = 0 OR cancelled_ms > {after_ms:Int64})
    AND (to_ms = 0 OR to_ms + 60000 * toInt64(repeat_length_minutes) > {after_ms:Int64})
ORDER BY from_ms, made_ms, window_id
