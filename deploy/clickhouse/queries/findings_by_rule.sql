-- Question: what did each rule find, and when first and last?
-- Parameters:
--   from DateTime('UTC'), to DateTime('UTC'): findings that were seen in this time, `to` excluded; default the last 30 days
--   limit UInt32: how many; default 50
-- Columns:
--   rule, title
--   findings: how many; open_findings: how many last; worst_level: the worst of their levels
--   events: theirs, each rule for itself
--   first_ts, last_ts: when rules fired first and last
SELECT f.rule_id AS rule, any(f.title) AS title,
    count() AS findings, countIf(f.ended_ms = 0) AS open_findings,
    argMax(f.level, indexOf(['informational', 'low', 'medium', 'high', 'critical'], f.level)) AS worst_level,
    sum(f.events) AS events, min(f.first_seen) AS first_ts, max(f.last_seen) AS last_ts
FROM crmscope.findings AS f FINAL
WHERE f.last_seen >= {from:DateTime('UTC')} AND f.first_seen < {to:DateTime('UTC')}
    AND f.merged_into = toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY rule
ORDER BY last_ts DESC, rule
LIMIT {limit:UInt32}
