-- Question: which agents do not have the collector's newest rules in force, since when, and why?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how old the newest heartbeat may be; default 900
-- Columns:
--   agent_id
--   state: behind (not there yet), refused (it came, and the one before stays), silent (no heartbeat in that
--     time), takes_none (rules.from_collector is off, or an agent that is older), no_target (no collector
--     wants it to have any), in_force
--   behind_ms: since the collector wants it to have what it has not; 0 where it has it, or takes none
--   sets: names of the sets that it is to have
--   wanted_version, version, attempted_version: what it is to have, what of it is in force, and what it
--     tried last, in hexadecimal; '' for none
--   wanted_rules: rules of the wanted version that the collector found good
--   rules: all in force, those of the host's own files included; delivered_rules: those delivered
--   refused: rules, filters and files that the agent refused, its own included
--   heard_ms: newest heartbeat by the agent's clock, Unix ms; 0 where there is none in that time
--   why: the first refusal, as file:line: reason; '' without
WITH
    targets AS
    (
        SELECT t.agent_id AS id, argMax((t.sets, t.version, t.rules, toUnixTimestamp64Milli(t.changed_at)), t.changed_at) AS target
        FROM crmscope.rule_targets AS t GROUP BY t.agent_id
    ),
    beats AS
    (
        SELECT toString(h.agent_id) AS id, toUnixTimestamp64Milli(max(h.ts)) AS heard,
            argMax((h.rules_takes_delivered, h.rules_delivered_version, h.rules_delivered_attempted_version, h.rules, h.rules_delivered, h.rules_refused, h.rules_attempted_version), h.ts) AS beat
        FROM crmscope.heartbeats AS h
        WHERE h.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) GROUP BY h.agent_id
    ),
    refusals AS
    (
        SELECT toString(r.agent_id) AS id, r.attempted_version AS attempted,
            -- Of the newest telling the first one, those delivered before the host's own.
            argMin(concat(r.file, ':', toString(r.line), ': ', r.reason), (-toUnixTimestamp64Milli(r.ts), 1 - r.delivered, r.position)) AS first_refusal
        FROM crmscope.refused_rules AS r GROUP BY r.agent_id, r.attempted_version
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
        beats.beat.2 = targets.target.2, 'in_force',
        beats.beat.3 = targets.target.2, 'refused',
        'behind') AS state,
    if(state IN ('silent', 'refused', 'behind'), greatest(0, toUnixTimestamp64Milli(now64(3)) - targets.target.4), 0) AS behind_ms,
    targets.target.1 AS sets,
    if(targets.target.2 = 0, '', lower(leftPad(hex(targets.target.2), 16, '0'))) AS wanted_version,
    if(beats.beat.2 = 0, '', lower(leftPad(hex(beats.beat.2), 16, '0'))) AS version,
    if(beats.beat.3 = 0, '', lower(leftPad(hex(beats.beat.3), 16, '0'))) AS attempted_version,
    targets.target.3 AS wanted_rules,
    beats.beat.4 AS rules, beats.beat.5 AS delivered_rules, beats.beat.6 AS refused,
    beats.heard AS heard_ms,
    if(refused > 0, refusals.first_refusal, '') AS why
FROM ids
LEFT JOIN targets ON targets.id = ids.id
LEFT JOIN beats ON beats.id = ids.id
LEFT JOIN refusals ON refusals.id = ids.id AND refusals.attempted = beats.beat.7
WHERE ids.id NOT IN (SELECT id FROM retired) AND ({agent:String} = '' OR ids.id = {agent:String})
ORDER BY state = 'in_force', behind_ms DESC, refused DESC, agent_id
SETTINGS join_use_nulls = 0
