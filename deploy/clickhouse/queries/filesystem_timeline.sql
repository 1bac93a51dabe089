-- Question: how did the file systems of a host fill up?
-- Reads minutes (kept 90 days) below an hour a step, hours (kept 800 days) from there on. Steps without data have
-- no row.
-- Parameters:
--   agent String: the agent's id
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step, whole minutes; default 60
-- Columns:
--   t: start of the step; mount_point
--   used_ratio: used / (used + available to users), 0 to 1, as df has it, mean of the step; NULL where that is nothing
--   inodes_used_ratio: 0 to 1; NULL where the file system has no fixed number
--   available_bytes: lowest of the step
SELECT toStartOfInterval(r.at, toIntervalSecond({step_seconds:UInt32})) AS t, r.mount_point AS mount_point,
    sum(r.size_sum - least(r.size_sum, r.free_sum)) / nullIf(sum(r.size_sum - least(r.size_sum, r.free_sum)) + sum(r.available_sum), 0) AS used_ratio,
    1 - sum(r.inodes_free_sum) / nullIf(sum(r.inodes_all_sum), 0) AS inodes_used_ratio,
    min(r.available_low) AS available_bytes
FROM (
    SELECT m.t AS at, mount_point, size_bytes_sum AS size_sum, free_bytes_sum AS free_sum, available_bytes_sum AS available_sum,
        inodes_free_sum, inodes_sum AS inodes_all_sum, available_bytes_min AS available_low
    FROM crmscope.filesystem_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND agent_id = {agent:String} AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')}
    UNION ALL
    SELECT h.t, mount_point, size_bytes_sum, free_bytes_sum, available_bytes_sum, inodes_free_sum, inodes_sum, available_bytes_min
    FROM crmscope.filesystem_1h AS h
    WHERE {step_seconds:UInt32} >= 3600 AND agent_id = {agent:String} AND h.t >= {from:DateTime('UTC')} AND h.t < {to:DateTime('UTC')}
) AS r
GROUP BY t, mount_point
ORDER BY mount_point, t
