-- Question: until when is each host judged?
-- Columns:
--   agent_id; judged_to: Unix s of the end of its last hour
--   open_ms: where the time begins of which nothing is known yet, Unix ms
--   version: when that hour was judged, Unix ms
-- Only of hosts of which an hour of the last 32 days is judged: of others no heartbeats are kept.
SELECT
    agent_id,
    toUnixTimestamp(max(t)) + 3600 AS judged_to,
    argMax(h.open_ms, (t, h.version)) AS open_ms,
    argMax(h.version, (t, h.version)) AS version
FROM crmscope.presence_hours AS h
WHERE t >= now('UTC') - INTERVAL 32 DAY
GROUP BY agent_id
ORDER BY agent_id
