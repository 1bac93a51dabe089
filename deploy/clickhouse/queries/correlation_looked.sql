-- Question: up to when were events looked at by rules over many of them, and by which rules?
-- Parameters:
--   none
-- Columns:
--   looked_ms: by ClickHouse's clock, Unix ms, 0 for never; rules: a checksum of them
--   now_ms: by the same clock
SELECT max(l.looked_ms) AS looked_ms, argMax(l.rules, l.looked_ms) AS rules, toUnixTimestamp64Milli(now64(3, 'UTC')) AS now_ms
FROM crmscope.correlation_looks AS l
