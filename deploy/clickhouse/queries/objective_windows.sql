-- Question: how many requests of a service were counted within each window, and how many were bad?
-- Windows end now. Up to 6 hours they are of minutes, longer ones of whole hours.
-- Parameters:
--   service String: the service
--   latency_us UInt64: a request that took longer is bad, within 2 %; 0 for any time
--   idle_from Array(Int64), idle_to Array(Int64): times that are in no window, such as maintenance, Unix s;
--     default []; a minute that is partly in one is left out whole
-- Columns:
--   minutes: length of the window
--   requests; bad: of status class 5, or too slow
WITH
    if({latency_us:UInt64} = 0, 32767, ceil(log({latency_us:UInt64}) / log(1.01 / 0.99))) AS bucket_max,
    now('UTC') AS now_t,
    (s, length) -> arrayExists((f, u) -> s < u AND s + length > f, {idle_from:Array(Int64)}, {idle_to:Array(Int64)}) AS is_idle
SELECT minutes, toUInt64(sum(requests)) AS requests, toUInt64(sum(bad)) AS bad
FROM
(
    SELECT arrayJoin(arrayFilter(m -> t >= now_t - toIntervalMinute(m), [5, 30, 60, 120, 360])) AS minutes, requests,
        if(status_class = 5, requests, arraySum((bucket, count) -> if(bucket > bucket_max, count, 0), mapKeys(latency), mapValues(latency))) AS bad
    FROM crmscope.requests_1m
    WHERE service = {service:String} AND t >= now_t - INTERVAL 6 HOUR AND NOT is_idle(toInt64(toUnixTimestamp(t)), 60)
    UNION ALL
    SELECT arrayJoin(arrayFilter(m -> t >= toStartOfHour(now_t) - toIntervalMinute(m), [1440, 4320])) AS minutes, requests,
        if(status_class = 5, requests, arraySum((bucket, count) -> if(bucket > bucket_max, count, 0), mapKeys(latency), mapValues(latency))) AS bad
    FROM crmscope.requests_1h
    WHERE service = {service:String} AND t >= toStartOfHour(now_t) - INTERVAL 3 DAY AND NOT is_idle(toInt64(toUnixTimestamp(t)), 3600)
    UNION ALL
    -- Of hours that are partly idle, the minutes that are not.
    SELECT arrayJoin(arrayFilter(m -> t >= toStartOfHour(now_t) - toIntervalMinute(m), [1440, 4320])) AS minutes, requests,
        if(status_class = 5, requests, arraySum((bucket, count) -> if(bucket > bucket_max, count, 0), mapKeys(latency), mapValues(latency))) AS bad
    FROM crmscope.requests_1m
    WHERE service = {service:String} AND t >= toStartOfHour(now_t) - INTERVAL 3 DAY AND notEmpty({idle_from:Array(Int64)})
        AND is_idle(toInt64(toUnixTimestamp(toStartOfHour(t))), 3600) AND NOT is_idle(toInt64(toUnixTimestamp(t)), 60)
)
GROUP BY minutes
ORDER BY minutes
