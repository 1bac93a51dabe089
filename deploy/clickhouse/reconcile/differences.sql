-- The rows that differ, with all figures of both sides; an empty list where a side has no row.
SELECT key_hash AS hash, any(key) AS key, {{state}} AS state,
    countIf(side = 0) AS stored_rows, countIf(side = 1) AS recomputed_rows,
    anyIf(figures, side = 0) AS stored, anyIf(figures, side = 1) AS recomputed
FROM (SELECT *, sipHash64(figures) AS figures_hash FROM ({{rows}}))
WHERE key_hash IN ({{hashes}})
GROUP BY key_hash
HAVING stored_rows != 1 OR recomputed_rows != 1 OR stored != recomputed
ORDER BY key
