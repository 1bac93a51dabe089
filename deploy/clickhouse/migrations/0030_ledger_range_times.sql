-- A range of batches has two times: when its first was made, and created_at, when its last was. A
-- collector before this one does not write the first: it is the last then, as in rows before this.
-- No view reads the column.
ALTER TABLE crmscope.ledger ADD COLUMN IF NOT EXISTS first_created_at DateTime64(3, 'UTC') DEFAULT created_at CODEC(Delta, ZSTD(1));
