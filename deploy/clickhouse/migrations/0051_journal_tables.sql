-- Which tables the journal has been: a row for each, by the first collector that started on it, with
-- the first block that it could write. A backup has rows and no deduplication tokens, and a restored
-- table has another id. So a block of before that must not be repeated: nothing would know it.
CREATE TABLE IF NOT EXISTS crmscope.journal_tables (
    table_id    UUID CODEC(ZSTD(1)),
    first_block UInt64 CODEC(ZSTD(1)),
    noted_at    DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (table_id, first_block)
SETTINGS non_replicated_deduplication_window = 10000;
