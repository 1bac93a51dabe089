-- Question: does every probed target answer, and when do certificates expire?
-- Parameters:
--   agent String: one agent; default '', all of them
--   service String: one service; default '', all of them
--   seconds UInt32: how far back; default 7200, at least twice the longest interval
-- Columns:
--   agent_id, target, service, kind: kind is http, tcp or dns
--   up: 1 when the newest run was good, else 0
--   reason: why it was not, in words; none when it was
--   status: of HTTP, newest; NULL where there was none
--   good_share: share of good runs over the span, 0 to 1; runs: how many there were
--   duration_ms: the newest run, whatever came of it
--   dns_ms, connect_ms, tls_ms, first_byte_ms: its phases; NULL where it has none or did not get so far
--   certificate_days: until the first certificate of the chain expires, newest known; NULL without TLS
--   age_seconds: since the newest run
SELECT r.agent_id AS agent_id, r.target AS target, r.service AS service, r.kind AS kind,
    argMax(r.up, r.ts) AS up,
    transform(argMax(r.reason, r.ts), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        ['none', 'resolve_failed', 'refused', 'timed_out', 'tls_failed', 'certificate_expired', 'status', 'body', 'protocol',
         'wrong_address', 'unreachable', 'closed', 'certificate_not_trusted', 'certificate_other_name'], 'unknown') AS reason,
    argMax(tuple(r.status), r.ts).1 AS status,
    sum(r.up) / count() AS good_share,
    count() AS runs,
    argMax(r.duration_us, r.ts) / 1000 AS duration_ms,
    argMax(tuple(r.dns_us), r.ts).1 / 1000 AS dns_ms,
    argMax(tuple(r.connect_us), r.ts).1 / 1000 AS connect_ms,
    argMax(tuple(r.tls_us), r.ts).1 / 1000 AS tls_ms,
    argMax(tuple(r.first_byte_us), r.ts).1 / 1000 AS first_byte_ms,
    argMax(r.certificate_expires_seconds, r.ts) / 86400 AS certificate_days,
    greatest(0, dateDiff('millisecond', max(r.ts), now64(3, 'UTC'))) / 1000 AS age_seconds
FROM crmscope.probe_raw AS r
WHERE r.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR r.agent_id = {agent:String})
    AND ({service:String} = '' OR r.service = {service:String})
GROUP BY agent_id, target, service, kind
ORDER BY up, ifNull(certificate_days, 100000), service, target, agent_id
