-- Question: which agents do not have the collector's newest settings in force, since when, and why?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how old the newest heartbeat may be; default 900
-- Columns:
--   agent_id
--   state: behind (not there yet), refused (they came and cannot be), rolled_back (they were tried and taken
--     back), probation (in force, and tried), silent (no heartbeat in that time), takes_none
--     (settings.from_collector is off, or an agent that is older), no_target (no collector wants it to have
--     any), in_force
--   behind_ms: since the collector wants it to have what it has not; 0 where it has it, or takes none
--   sets: names of the sets that it is to have
--   wanted_version, effective_version, attempted_version: what it is to have, what is in force, and what
--     came last, in hexadecimal; '' for its own file
--   heard_ms: newest heartbeat by the agent's clock, Unix ms; 0 where there is none in that time
--   why: why what came last is not in force; '' where it is
WITH
    targets AS
    (
        SELECT t.agent_id AS id, argMax((t.sets, t.version, toUnixTimestamp64Milli(t.changed_at)), t.changed_at) AS target
        FROM crmscope.settings_targets AS t GROUP BY t.agent_id
    ),
    beats AS
    (
        SELECT toString(h.agent_id) AS id, toUnixTimestamp64Milli(max(h.ts)) AS heard,
            argMax((h.settings_takes_delivered, h.settings_version, h.settings_attempted_version, h.settings_on_probation, h.settings_rolled_back, h.settings_error), h.ts) AS beat
        FROM crmscope.heartbeats AS h
        WHERE h.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) GROUP BY h.agent_id
    ),
    retired AS
    (
        SELECT c.agent_id AS id FROM crmscope.host_changes AS c GROUP BY c.agent_id
        HAVING argMax(c.retired_at_ms, c.changed_at) > 0 AND argMax(c.retired_at_ms, c.changed_at) <= toUnixTimestamp64Milli(now64(3))
    ),
    ids AS (SELECT id FROM targets UNION DISTINCT SELECT id FROM beats)
SELECT
    ids.id AS agent_id,
    multiIf(
        targets.id = '', 'no_target',
        beats.id = '', 'silent',
        beats.beat.1 = 0, 'takes_none',
        beats.beat.2 = targets.target.2, if(beats.beat.4 = 0, 'in_force', 'probation'),
        beats.beat.3 != targets.target.2, 'behind',
        beats.beat.5 = 0, 'refused',
        'rolled_back') AS state,
    if(state IN ('silent', 'refused', 'rolled_back', 'behind'), greatest(0, toUnixTimestamp64Milli(now64(3)) - targets.target.3), 0) AS behind_ms,
    targets.target.1 AS sets,
    if(targets.target.2 = 0, '', lower(leftPad(hex(targets.target.2), 16, '0'))) AS wanted_version,
    if(beats.beat.2 = 0, '', lower(leftPad(hex(beats.beat.2), 16, '0'))) AS effective_version,
    if(beats.beat.3 = 0, '', lower(leftPad(hex(beats.beat.3), 16, '0'))) AS attempted_version,
    beats.heard AS heard_ms,
    beats.beat.6 AS why
FROM ids
LEFT JOIN targets ON targets.id = ids.id
LEFT JOIN beats ON beats.id = ids.id
WHERE ids.id NOT IN (SELECT id FROM retired) AND ({agent:String} = '' OR ids.id = {agent:String})
ORDER BY state IN ('in_force', 'probation'), behind_ms DESC, agent_id
SETTINGS join_use_nulls = 0
