-- Both sides of a roll-up: the rows it holds, and what its view's SELECT makes of the base rows now.
-- The names in double braces are put in by collector/src/reconcile/plan.rs.
SELECT [{{keys}}] AS key, [{{values}}] AS figures, sipHash64(key) AS key_hash, toUInt8(0) AS side
FROM crmscope.{{target}} FINAL
WHERE {{range}}
UNION ALL
SELECT [{{keys}}] AS key, [{{values}}] AS figures, sipHash64(key) AS key_hash, toUInt8(1) AS side
FROM ({{query}})
WHERE {{range}}
