-- Functions live beside the databases, not in one: hence the prefix.

-- The quantile p (0 to 1) of a latency sketch, µs: the same figure as Sketch::quantile_us in
-- proto/src/sketch.rs. Bucket i stands for 2γ^i / (1 + γ) with γ = 1.01 / 0.99, and the rank is
-- ⌊p(n − 1)⌋ + 1. NULL where nothing was recorded, so that silence never looks like 0 µs; that is what
-- arrayFirstOrNull gives, without an if(), whose constant condition made the engine refuse a query
-- with two such calls ("Recursive lambda"). Keys are sorted here, because only sumMap promises an
-- order and a hand-made map need not have it; the cast lets an empty literal map() pass.
CREATE FUNCTION IF NOT EXISTS crmscope_quantile AS (buckets, p) -> 2 * pow(
    1.01 / 0.99,
    arrayFirstOrNull(
        (bucket, seen) -> seen > floor(
            greatest(0, least(1, p)) * greatest(0, arraySum(mapValues(CAST(buckets, 'Map(Int16, UInt64)'))) - 1)),
        mapKeys(mapSort(CAST(buckets, 'Map(Int16, UInt64)'))),
        arrayCumSum(mapValues(mapSort(CAST(buckets, 'Map(Int16, UInt64)'))))
    )
) / (1 + 1.01 / 0.99);
