-- The columns of every table, in order; key is 1 for those of the sorting key.
SELECT table, name, type, is_in_sorting_key AS key
FROM system.columns
WHERE database = 'crmscope'
ORDER BY table, position
