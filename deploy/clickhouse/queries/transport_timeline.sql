-- Question: are connections refused, lost or left open on a host?
-- Reads minutes (kept 90 days) below an hour a step, hours from there on (kept 800 days).
-- Parameters:
--   agent String: one agent; default '', all of them together
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: width of a row, whole minutes; default 60
-- Columns:
--   t: start of the row
--   established, close_wait, time_wait: sockets, the most seen of one host; NULL where not counted
--   opened_per_second, accepted_per_second: connections begun here, and accepted
--   retransmitted_ratio: segments sent again of all that were sent, 0 to 1; NULL where none was
--   listen_drops, attempt_fails, established_resets: how many
--   udp_receive_errors: how many
SELECT toStartOfInterval(m.t, toIntervalSecond({step_seconds:UInt32})) AS t,
    max(m.tcp_established_max) AS established,
    max(m.tcp_close_wait_max) AS close_wait,
    max(m.tcp_time_wait_max) AS time_wait,
    sum(m.tcp_active_opens) * 1000 / nullIf(sum(m.interval_ms), 0) AS opened_per_second,
    sum(m.tcp_passive_opens) * 1000 / nullIf(sum(m.interval_ms), 0) AS accepted_per_second,
    sum(m.tcp_retransmitted_segments) / nullIf(sum(m.tcp_transmit_segments) + sum(m.tcp_retransmitted_segments), 0) AS retransmitted_ratio,
    sum(m.tcp_listen_drops) AS listen_drops,
    sum(m.tcp_attempt_fails) AS attempt_fails,
    sum(m.tcp_established_resets) AS established_resets,
    sum(m.udp_receive_errors) AS udp_receive_errors
FROM (
    SELECT t, interval_ms, tcp_established_max, tcp_close_wait_max, tcp_time_wait_max, tcp_active_opens, tcp_passive_opens,
        tcp_retransmitted_segments, tcp_transmit_segments, tcp_listen_drops, tcp_attempt_fails, tcp_established_resets, udp_receive_errors
    FROM crmscope.transport_1m
    WHERE {step_seconds:UInt32} < 3600 AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT t, interval_ms, tcp_established_max, tcp_close_wait_max, tcp_time_wait_max, tcp_active_opens, tcp_passive_opens,
        tcp_retransmitted_segments, tcp_transmit_segments, tcp_listen_drops, tcp_attempt_fails, tcp_established_resets, udp_receive_errors
    FROM crmscope.transport_1h
    WHERE {step_seconds:UInt32} >= 3600 AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
) AS m
GROUP BY t
ORDER BY t
