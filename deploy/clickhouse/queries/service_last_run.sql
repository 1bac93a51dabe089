-- Question: when was a service asked last before a time, within a day?
-- Parameters:
--   service String: the service
--   from DateTime('UTC'): the time, a full hour; default now
-- Columns:
--   last_ms: start of the last run, Unix ms, by the agents' clocks; 0 where there was none
SELECT toUnixTimestamp64Milli(max(last_ts)) AS last_ms
FROM crmscope.probe_1h
WHERE service = {service:String} AND t >= {from:DateTime('UTC')} - INTERVAL 25 HOUR AND t < {from:DateTime('UTC')}
