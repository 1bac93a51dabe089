-- Question: which log lines were not counted, on which host, and why?
-- Hosts and sources that lost or did not understand lines; without any, no row.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range of minutes, `to` excluded, within 90 days; default the last day
-- Columns:
--   agent_id, source: requests (access logs) or security (the journal and security logs)
--   read_lines, unparsed_lines: count of what came, and of what was not understood
--   dropped: count; the sum of the seven reasons that follow, of agents that know them
--   too_long_lines: longer than 1 MiB, or 64 KiB in the journal
--   unfinished_lines: ends without a newline, of files that are not written to any more
--   untimely_lines: of a time too long ago, or too far ahead, to be taken
--   forged_lines: journal entries that another program wrote under a trusted one's name
--   rotated_files, truncated_files: gone before they were read to their ends; how many lines they held is not known
--   unreadable_files: packed files that are damaged or packed in a way that is not read
--   known_bytes: bytes of all these, as far as they are known
--   newest: time of the newest report, UTC
SELECT r.agent_id AS agent_id, r.source AS source,
    sum(r.items) AS read_lines, sum(r.unparsed) AS unparsed_lines, sum(r.dropped) AS dropped,
    ifNull(sum(r.lost_too_long_lines), 0) AS too_long_lines,
    ifNull(sum(r.lost_unfinished_lines), 0) AS unfinished_lines,
    ifNull(sum(r.lost_untimely_lines), 0) AS untimely_lines,
    ifNull(sum(r.lost_forged_lines), 0) AS forged_lines,
    ifNull(sum(r.lost_rotated_files), 0) AS rotated_files,
    ifNull(sum(r.lost_truncated_files), 0) AS truncated_files,
    ifNull(sum(r.lost_unreadable_files), 0) AS unreadable_files,
    ifNull(sum(r.lost_known_bytes), 0) AS known_bytes,
    max(r.last_ts) AS newest
FROM crmscope.source_1m AS r
WHERE r.t >= {from:DateTime('UTC')} AND r.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR r.agent_id = {agent:String})
    AND r.source IN ('requests', 'security')
GROUP BY agent_id, source
HAVING dropped > 0 OR unparsed_lines > 0
ORDER BY dropped DESC, unparsed_lines DESC, agent_id, source
