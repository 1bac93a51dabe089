-- Question: which rules have events that were stored lately?
-- Parameters:
--   after_ms Int64: stored after this, by ClickHouse's clock, Unix ms; default 0
-- Columns:
--   now_ms: by ClickHouse's clock, Unix ms
--   rules: ids of rules with new events, in order
SELECT toUnixTimestamp64Milli(now64(3, 'UTC')) AS now_ms, arraySort(groupUniqArray(rule)) AS rules
FROM crmscope.security_arrivals
WHERE stored_at > fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
