-- Question: what was proven of a service, hour by hour?
-- Parameters:
--   service String: the service
--   from DateTime('UTC'), to DateTime('UTC'): the time, in whole hours; default the last day
-- Columns:
--   t: Unix s of the hour; version: when it was judged last, Unix ms; runs: how many began in it then
--   from_ms, to_ms, answered, everywhere: its intervals; states are 0 unknown, 1 up, 2 down
SELECT toUnixTimestamp(t) AS t, version, runs, from_ms, to_ms, answered, everywhere
FROM crmscope.service_hours FINAL
WHERE service = {service:String} AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
ORDER BY t
