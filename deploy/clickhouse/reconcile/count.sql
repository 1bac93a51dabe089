-- How many rows the two sides have together, how many differ, and of the first of those, by the hash of
-- their key, that hash and one of what both sides hold.
SELECT count() AS compared, countIf(differs) AS differing,
    groupArraySortedIf({{limit}})((key_hash, state), differs) AS rows
FROM (
    SELECT key_hash, {{state}} AS state,
        countIf(side = 0) != 1 OR countIf(side = 1) != 1
            OR anyIf(figures_hash, side = 0) != anyIf(figures_hash, side = 1) AS differs
    FROM (SELECT key_hash, side, sipHash64(figures) AS figures_hash FROM ({{rows}}))
    GROUP BY key_hash
)
