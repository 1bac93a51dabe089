-- Question: which rules has each agent, and were any refused?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back; default 900
-- Columns:
--   agent_id
--   version: hash of the files in force, in hexadecimal; '' without any
--   attempted_version: of the files that were read last; differs where none of their rules could be taken, or they could not be read
--   rules: in force
--   usable: of those, such as can match what the agent gathers
--   refused: rules, filters and files that were refused
--   matched_events: events that matched a rule since the agent's start
--   unnamed: matches beyond what an event can name, since the start
--   delivered_version, delivered_attempted_version, delivered_rules: the same of those that a collector
--     delivered; see rules_delivered
SELECT agent_id,
    if(newest.1 = 0, '', lower(leftPad(hex(newest.1), 16, '0'))) AS version,
    if(newest.2 = 0, '', lower(leftPad(hex(newest.2), 16, '0'))) AS attempted_version,
    newest.3 AS rules, newest.4 AS usable, newest.5 AS refused, newest.6 AS matched_events, newest.7 AS unnamed,
    if(newest.8 = 0, '', lower(leftPad(hex(newest.8), 16, '0'))) AS delivered_version,
    if(newest.9 = 0, '', lower(leftPad(hex(newest.9), 16, '0'))) AS delivered_attempted_version,
    newest.10 AS delivered_rules
FROM (
    SELECT agent_id, argMax((rules_version, rules_attempted_version, rules, rules_usable, rules_refused, rules_matched_events, rules_unnamed, rules_delivered_version, rules_delivered_attempted_version, rules_delivered), ts) AS newest
    FROM crmscope.heartbeats
    WHERE ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id
)
ORDER BY refused = 0, attempted_version = version, agent_id
