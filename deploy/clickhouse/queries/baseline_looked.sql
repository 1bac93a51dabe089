-- Question: up to when was looked at what users do?
-- Parameters:
--   none
-- Columns:
--   looked_ms: by ClickHouse's clock, Unix ms, 0 for never; now_ms: by the same clock
SELECT max(l.looked_ms) AS looked_ms, toUnixTimestamp64Milli(now64(3, 'UTC')) AS now_ms
FROM crmscope.baseline_looks AS l
