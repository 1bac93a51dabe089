-- Question: how many requests of a service were counted within each window, and how many were bad?
-- Windows end now. Up to 6 hours they are of minutes, longer ones of whole hours.
-- Parameters:
--   service String: the service
--   latency_us UInt64: a request that took longer is bad, within 2 %; 0 for any time
-- Columns:
--   minutes: length of the window
--   requests; bad: of status class 5, or too slow
WITH
    if({latency_us:UInt64} = 0, 32767, ceil(log({latency_us:UInt64}) / log(1.01 / 0.99))) AS bucket_max,
    now('UTC') AS now_t
SELECT minutes, toUInt64(sum(requests)) AS requests, toUInt64(sum(bad)) AS bad
FROM
(
    SELECT arrayJoin(arrayFilter(m -> t >= now_t - toIntervalMinute(m), [5, 30, 60, 120, 360])) AS minutes, requests,
        if(status_class = 5, requests, arraySum((bucket, count) -> if(bucket > bucket_max, count, 0), mapKeys(latency), mapValues(latency))) AS bad
    FROM crmscope.requests_1m
    WHERE service = {service:String} AND t >= now_t - INTERVAL 6 HOUR
    UNION ALL
    SELECT arrayJoin(arrayFilter(m -> t >= toStartOfHour(now_t) - toIntervalMinute(m), [1440, 4320])) AS minutes, requests,
        if(status_class = 5, requests, arraySum((bucket, count) -> if(bucket > bucket_max, count, 0), mapKeys(latency), mapValues(latency))) AS bad
    FROM crmscope.requests_1h
    WHERE service = {service:String} AND t >= toStartOfHour(now_t) - INTERVAL 3 DAY
)
GROUP BY minutes
ORDER BY minutes
