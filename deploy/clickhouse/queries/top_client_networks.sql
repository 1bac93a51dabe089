-- Question: which networks ask most, and how much of it fails?
-- Reads whole hours of the range as such, and minutes (kept 30 days) of what is left at its ends.
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded, whole minutes; default the last hour
--   limit UInt32: how many networks; default 20
-- Columns:
--   service; network: OTHER is every request of a network that was not among the busiest of its batch,
--     UNKNOWN those without an address
--   agents: hosts that served it
--   requests: at least so many; exact for OTHER, and over all networks together
--   requests_at_most: no more than so many; the difference may stand in OTHER. A network that is not
--     listed at all has no more than that difference either
--   share: requests / all requests of the service, 0 to 1
--   client_errors, server_errors: of these requests, status 4xx and 5xx
--   error_ratio: both / requests, 0 to 1
--   response_bytes: sum
WITH
    -- Whole hours within the range, and what is left of it on both sides; without any, both ends are that of the range.
    toStartOfHour({from:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hour_first, toStartOfHour({to:DateTime('UTC')}) AS hour_last,
    if(hour_first < hour_last, hour_first, {to:DateTime('UTC')}) AS hours_from, if(hour_first < hour_last, hour_last, {to:DateTime('UTC')}) AS hours_to
SELECT service, network, agents, requests,
    requests + if(network = 'OTHER', 0, least(other_bound, other_requests)) AS requests_at_most,
    requests / nullIf(service_requests, 0) AS share,
    client_errors, server_errors,
    (client_errors + server_errors) / nullIf(requests, 0) AS error_ratio,
    response_bytes
FROM (
    SELECT service, network, agents, requests, client_errors, server_errors, response_bytes,
        sum(requests) OVER (PARTITION BY service) AS service_requests,
        sum(if(network = 'OTHER', requests, 0)) OVER (PARTITION BY service) AS other_requests,
        sum(if(network = 'OTHER', in_other_max, 0)) OVER (PARTITION BY service) AS other_bound
    FROM (
        SELECT r.service AS service, r.network AS network, uniqExact(r.agent_id) AS agents,
            sum(r.requests) AS requests, sum(r.client_errors) AS client_errors, sum(r.server_errors) AS server_errors,
            sum(r.response_bytes) AS response_bytes, sum(r.in_other_max) AS in_other_max
        FROM (
            SELECT agent_id, service, network, requests, client_errors, server_errors, response_bytes, in_other_max FROM crmscope.request_clients_1m AS m
            WHERE (m.t >= {from:DateTime('UTC')} AND m.t < hours_from OR m.t >= hours_to AND m.t < {to:DateTime('UTC')}) AND ({service:String} = '' OR service = {service:String})
            UNION ALL
            SELECT agent_id, service, network, requests, client_errors, server_errors, response_bytes, in_other_max FROM crmscope.request_clients_1h AS h
            WHERE h.t >= hours_from AND h.t < hours_to AND ({service:String} = '' OR service = {service:String})
        ) AS r
        GROUP BY service, network
    )
)
ORDER BY requests DESC, service, network
LIMIT {limit:UInt32}
