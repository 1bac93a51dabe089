-- Question: which file systems are nearest to full?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back a file system may have been seen last; default 900
--   limit UInt32: how many; default 20
-- Columns:
--   agent_id, mount_point, device, filesystem_type
--   used_ratio: used / (used + available to users), 0 to 1, as df has it; NULL where that is nothing
--   inodes_used_ratio: 0 to 1; NULL where the file system has no fixed number
--   size_bytes, used_bytes, available_bytes: newest
--   read_only: 1 when mounted so
--   age_seconds: since the newest row
SELECT r.agent_id AS agent_id, r.mount_point AS mount_point, r.device AS device, r.filesystem_type AS filesystem_type,
    argMax(r.size_bytes, r.ts) AS size_bytes,
    argMax(r.available_bytes, r.ts) AS available_bytes,
    greatest(0, toInt64(size_bytes) - toInt64(argMax(r.free_bytes, r.ts))) AS used_bytes,
    used_bytes / nullIf(used_bytes + available_bytes, 0) AS used_ratio,
    1 - argMax(r.inodes_free, r.ts) / nullIf(argMax(r.inodes, r.ts), 0) AS inodes_used_ratio,
    argMax(r.read_only, r.ts) AS read_only,
    greatest(0, dateDiff('millisecond', max(r.ts), now64(3, 'UTC'))) / 1000 AS age_seconds
FROM crmscope.filesystem_raw AS r
WHERE r.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR r.agent_id = {agent:String})
GROUP BY agent_id, mount_point, device, filesystem_type
ORDER BY greatest(ifNull(used_ratio, 0), ifNull(inodes_used_ratio, 0)) DESC, agent_id, mount_point
LIMIT {limit:UInt32}
