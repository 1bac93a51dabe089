-- How the agent's spool does: good, quota, full, read_only, missing, failing; empty from agents that
-- do not tell.
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS spool_state LowCardinality(String) CODEC(ZSTD(1));
