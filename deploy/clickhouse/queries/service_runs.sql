-- Question: what came of the runs of a service's probes, place by place and target by target?
-- Parameters:
--   service String: the service
--   from DateTime('UTC'), to DateTime('UTC'): the time, by the agents' clocks; `to` excluded; default the last hour
-- Columns:
--   agent_id, target
--   at_ms: when each run began, Unix ms; interval_ms: since the one before; up: 1 where it was good
SELECT agent_id, target,
    groupArray(toUnixTimestamp64Milli(ts)) AS at_ms,
    groupArray(toInt64(r.interval_ms)) AS interval_ms,
    groupArray(toUInt8(r.up > 0)) AS up
FROM crmscope.probe_raw AS r
WHERE service = {service:String} AND ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')}
GROUP BY agent_id, target
ORDER BY agent_id, target
