-- Question: until when is each host judged?
-- Columns:
--   agent_id; judged_to: Unix s of the end of its last hour
--   open_ms: where the time begins of which nothing is known yet, Unix ms
--   version: when that hour was judged, Unix ms
SELECT agent_id, toUnixTimestamp(max(t)) + 3600 AS judged_to, argMax(open_ms, t) AS open_ms, argMax(version, t) AS version
FROM crmscope.presence_hours FINAL
GROUP BY agent_id
ORDER BY agent_id
