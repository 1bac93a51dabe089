-- Question: who changed maintenance, when, and what was it then?
-- Parameters:
--   rows UInt32: the newest so many; default 1000
-- Columns:
--   window_id; change: added or cancelled; changed_ms: Unix ms; changed_by
--   is_retroactive: the change was about a time that was over
--   agent_id, host_group, service, from_ms, to_ms, repeat_days, repeat_start_minute, repeat_length_minutes, zone, note,
--     made_ms, made_by, cancelled_ms: the window since this change, as in maintenance_windows
SELECT
    toString(changes.window_id) AS window_id,
    change, toUnixTimestamp64Milli(changed_at) AS changed_ms, changed_by, is_retroactive,
    agent_id, host_group, service, from_ms, to_ms, repeat_days, repeat_start_minute, repeat_length_minutes, zone,
    note, made_ms, made_by, cancelled_ms
FROM crmscope.maintenance_changes AS changes
ORDER BY changed_at DESC, window_id, change DESC
LIMIT {rows:UInt32}
