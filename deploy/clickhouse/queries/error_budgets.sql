-- Question: how much of its error budget did each service use, and how fast does it go?
-- Windows end now: up to 6 hours of minutes, longer ones of whole hours. Maintenance is not left out; of configured
-- objectives the collector itself leaves it out (objective_windows).
-- Parameters:
--   service String: one service; default '', all of them
--   target Float64: share of requests that have to be good, 0 to 1; default 0.999
--   latency_us UInt64: a request that took longer is bad, within 2 %; default 0, for any time
-- Columns:
--   service; minutes: length of the window, 60, 360, 1440, 4320 or 43200
--   requests; bad: of status class 5, or too slow
--   bad_ratio: 0 to 1
--   burn: bad_ratio / (1 - target): 1 uses the budget up just in time; of 43200 minutes it is the share of the budget
--     that is used. NULL where the target leaves no budget
WITH
    if({latency_us:UInt64} = 0, 32767, ceil(log({latency_us:UInt64}) / log(1.01 / 0.99))) AS bucket_max,
    now('UTC') AS now_t,
    -- Before that, the roll-up of services is not whole.
    (SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), max(g.since)) FROM crmscope.rollup_starts AS g WHERE g.name = 'service_requests') AS since
SELECT service, minutes, toUInt64(sum(r.requests)) AS requests, toUInt64(sum(r.bad)) AS bad,
    bad / nullIf(requests, 0) AS bad_ratio,
    bad_ratio / nullIf(greatest(0, 1 - {target:Float64}), 0) AS burn
FROM (
    SELECT toString(m.service) AS service, arrayJoin(arrayFilter(length -> m.t >= now_t - toIntervalMinute(length), [60, 360])) AS minutes, requests,
        if(status_class = 5, requests, arraySum((bucket, times) -> if(bucket > bucket_max, times, 0), mapKeys(latency), mapValues(latency))) AS bad
    FROM crmscope.service_requests_1m AS m
    WHERE ({service:String} = '' OR service = {service:String}) AND m.t >= now_t - INTERVAL 6 HOUR AND m.t >= since
    UNION ALL
    SELECT toString(m.service), arrayJoin(arrayFilter(length -> m.t >= now_t - toIntervalMinute(length), [60, 360])), requests,
        if(status_class = 5, requests, arraySum((bucket, times) -> if(bucket > bucket_max, times, 0), mapKeys(latency), mapValues(latency)))
    FROM crmscope.requests_1m AS m
    WHERE ({service:String} = '' OR service = {service:String}) AND m.t >= now_t - INTERVAL 6 HOUR AND m.t < since
    UNION ALL
    SELECT toString(m.service), arrayJoin(arrayFilter(length -> m.t >= toStartOfHour(now_t) - toIntervalMinute(length), [1440, 4320, 43200])), requests,
        if(status_class = 5, requests, arraySum((bucket, times) -> if(bucket > bucket_max, times, 0), mapKeys(latency), mapValues(latency)))
    FROM crmscope.service_requests_1h AS m
    WHERE ({service:String} = '' OR service = {service:String}) AND m.t >= toStartOfHour(now_t) - INTERVAL 30 DAY AND m.t >= since
    UNION ALL
    SELECT toString(m.service), arrayJoin(arrayFilter(length -> m.t >= toStartOfHour(now_t) - toIntervalMinute(length), [1440, 4320, 43200])), requests,
        if(status_class = 5, requests, arraySum((bucket, times) -> if(bucket > bucket_max, times, 0), mapKeys(latency), mapValues(latency)))
    FROM crmscope.requests_1h AS m
    WHERE ({service:String} = '' OR service = {service:String}) AND m.t >= toStartOfHour(now_t) - INTERVAL 30 DAY AND m.t < since
) AS r
GROUP BY service, minutes
ORDER BY service, minutes
