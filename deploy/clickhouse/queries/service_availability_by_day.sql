-- Question: how available was each service, day by day of UTC, by the hours that are judged?
-- Maintenance is not left out; `crmscope-collector availability --by service --step day` does that.
-- Parameters:
--   from DateTime('UTC'), to DateTime('UTC'): the time; default the last 7 days
--   service String: one service; default '', all of them
-- Columns:
--   day, service
--   answered_low, answered_high: share of the time in which each target answered somewhere, 0 to 1: with what
--     is unknown taken for down, and for up
--   everywhere_low, everywhere_high: the same, in all places that knew something
--   down_seconds: a target did not answer anywhere; partly_down_seconds: a target did not answer somewhere
--   unknown_seconds: nobody knows whether each target answered
SELECT
    toDate(t) AS day,
    service,
    sum(answered_up_ms) / (sum(answered_up_ms + answered_down_ms + answered_unknown_ms) AS all_ms) AS answered_low,
    1 - sum(answered_down_ms) / all_ms AS answered_high,
    sum(everywhere_up_ms) / all_ms AS everywhere_low,
    1 - sum(everywhere_down_ms) / all_ms AS everywhere_high,
    sum(answered_down_ms) / 1000 AS down_seconds,
    sum(everywhere_down_ms) / 1000 AS partly_down_seconds,
    sum(answered_unknown_ms) / 1000 AS unknown_seconds
FROM crmscope.service_hours FINAL
WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({service:String} = '' OR service = {service:String})
GROUP BY day, service
HAVING all_ms > 0
ORDER BY day, service
