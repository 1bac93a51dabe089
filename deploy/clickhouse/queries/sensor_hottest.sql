-- Question: what runs hot?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back; default 900
--   limit UInt32: how many; default 20
-- Columns:
--   agent_id, chip, device, sensor
--   celsius: newest; celsius_max: the highest of the span
--   critical_celsius: what the driver calls critical; NULL where it does not say
--   age_seconds: since the newest row
SELECT r.agent_id AS agent_id, r.chip AS chip, r.device AS device, r.sensor AS sensor,
    argMax(r.temperature_mk, r.ts) / 1000 - 273.15 AS celsius,
    max(r.temperature_mk) / 1000 - 273.15 AS celsius_max,
    argMax(tuple(r.critical_mk), r.ts).1 / 1000 - 273.15 AS critical_celsius,
    greatest(0, dateDiff('millisecond', max(r.ts), now64(3, 'UTC'))) / 1000 AS age_seconds
FROM crmscope.sensor_raw AS r
WHERE r.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY agent_id, chip, device, sensor
ORDER BY ifNull(critical_celsius - celsius, 1000), celsius DESC, agent_id, chip, device, sensor
LIMIT {limit:UInt32}
