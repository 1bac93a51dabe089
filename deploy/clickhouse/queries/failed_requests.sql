-- Question: what are the requests like that failed last?
-- Examples out of several: a bounded sample of each 10 s, service and host. exemplar_sampling tells how
-- many there were.
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   limit UInt32: how many; default 20
-- Columns:
--   ts: when the request ended; agent_id, service, route, method, status, response_bytes
--   latency_us, upstream_latency_us: of the request and of the application, µs; NULL where the log does not tell
--   network: of the client; target: what may be told of the path, a stranger's text
SELECT ts, agent_id, service, route, method, status, response_bytes, latency_us, upstream_latency_us, network, target
FROM crmscope.request_exemplars
WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({service:String} = '' OR service = {service:String})
    AND kind = 'failed'
ORDER BY ts DESC, agent_id, route
LIMIT {limit:UInt32}
