-- Question: of how many slow and failed requests are the examples, and are all examples there?
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; whole 10 s, within 30 days; default the last hour
-- Columns:
--   service, kind
--   eligible: requests that were slow or failed; kept: those chosen on the host
--   sampled_out: eligible - kept
--   stored: examples in the table; difference: stored - kept, 0 is the right answer
SELECT service, kind, sum(could) AS eligible, sum(chosen) AS kept,
    toInt64(eligible) - toInt64(kept) AS sampled_out,
    sum(found) AS stored, toInt64(stored) - toInt64(kept) AS difference
FROM (
    SELECT service, kind, eligible AS could, kept AS chosen, 0 AS found
    FROM crmscope.request_sampling
    WHERE bucket_start >= {from:DateTime('UTC')} AND bucket_start < {to:DateTime('UTC')} AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT service, kind, 0, 0, 1
    FROM crmscope.request_exemplars
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({service:String} = '' OR service = {service:String})
)
GROUP BY service, kind
ORDER BY service, kind
