-- Question: which log lines were not counted, on which host, and why?
-- Hosts and sources that lost or did not understand lines; without any, no row.
-- Reads whole days and hours of the range as such, and minutes (kept 90 days) of what is left at its ends.
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
WITH
    -- Whole days and hours within the range, and what is left of it on both sides; without any, both ends are that of the range.
    toStartOfHour({from:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hour_first, toStartOfHour({to:DateTime('UTC')}) AS hour_last,
    if(hour_first < hour_last, hour_first, {to:DateTime('UTC')}) AS hours_from, if(hour_first < hour_last, hour_last, {to:DateTime('UTC')}) AS hours_to,
    toStartOfDay(hours_from + INTERVAL 86399 SECOND) AS day_first, toStartOfDay(hours_to) AS day_last,
    if(day_first < day_last, day_first, hours_to) AS days_from, if(day_first < day_last, day_last, hours_to) AS days_to
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
FROM (
    SELECT agent_id, source, items, unparsed, dropped, lost_too_long_lines, lost_unfinished_lines, lost_untimely_lines, lost_forged_lines, lost_rotated_files, lost_truncated_files, lost_unreadable_files, lost_known_bytes, last_ts FROM crmscope.source_1m AS m
    WHERE (m.t >= {from:DateTime('UTC')} AND m.t < hours_from OR m.t >= hours_to AND m.t < {to:DateTime('UTC')}) AND ({agent:String} = '' OR agent_id = {agent:String})
        AND source IN ('requests', 'security')
    UNION ALL
    SELECT agent_id, source, items, unparsed, dropped, lost_too_long_lines, lost_unfinished_lines, lost_untimely_lines, lost_forged_lines, lost_rotated_files, lost_truncated_files, lost_unreadable_files, lost_known_bytes, last_ts FROM crmscope.source_1h AS h
    WHERE (h.t >= hours_from AND h.t < days_from OR h.t >= days_to AND h.t < hours_to) AND ({agent:String} = '' OR agent_id = {agent:String})
        AND source IN ('requests', 'security')
    UNION ALL
    SELECT agent_id, source, items, unparsed, dropped, lost_too_long_lines, lost_unfinished_lines, lost_untimely_lines, lost_forged_lines, lost_rotated_files, lost_truncated_files, lost_unreadable_files, lost_known_bytes, last_ts FROM crmscope.source_1d AS d
    WHERE d.t >= days_from AND d.t < days_to AND ({agent:String} = '' OR agent_id = {agent:String})
        AND source IN ('requests', 'security')
) AS r
GROUP BY agent_id, source
HAVING dropped > 0 OR unparsed_lines > 0
ORDER BY dropped DESC, unparsed_lines DESC, agent_id, source
