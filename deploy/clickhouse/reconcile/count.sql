-- How many rows the two sides have together, how many differ, and the hashes of the first of those.
SELECT count() AS compared, countIf(differs) AS differing, groupArrayIf({{limit}})(toString(key_hash), differs) AS hashes
FROM (
    SELECT key_hash,
        countIf(side = 0) != 1 OR countIf(side = 1) != 1
            OR anyIf(figures_hash, side = 0) != anyIf(figures_hash, side = 1) AS differs
    FROM (SELECT key_hash, side, sipHash64(figures) AS figures_hash FROM ({{rows}}))
    GROUP BY key_hash
)
