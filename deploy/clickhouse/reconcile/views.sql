-- Every materialized view: what it reads, what it feeds, its own SELECT, and the days for which the
-- rows of both are kept (0 is for ever). A roll-up that came later than its base rows is whole since then, Unix seconds.
SELECT v.name AS view, s.name AS source, extract(v.create_table_query, ' TO crmscope\\.([A-Za-z0-9_]+)') AS target,
    v.as_select AS query,
    toUInt32OrZero(extract(s.create_table_query, ' TTL .*toIntervalDay\\(([0-9]+)\\)')) AS source_days,
    toUInt32OrZero(extract(t.create_table_query, ' TTL .*toIntervalDay\\(([0-9]+)\\)')) AS target_days,
    toUInt64(toUnixTimestamp(w.since)) AS since_s
FROM system.tables AS v
INNER JOIN (SELECT name, create_table_query, arrayJoin(dependencies_table) AS view FROM system.tables WHERE database = 'crmscope') AS s
    ON s.view = v.name
LEFT JOIN (SELECT name, create_table_query FROM system.tables WHERE database = 'crmscope') AS t ON t.name = target
LEFT JOIN (SELECT toString(g.name) AS rollup_name, max(g.since) AS since FROM crmscope.rollup_starts AS g GROUP BY rollup_name) AS w
    ON w.rollup_name = replaceRegexpOne(target, '_1[mhd]$', '')
WHERE v.database = 'crmscope' AND v.engine = 'MaterializedView'
ORDER BY view
