-- Which rules an agent has: a version is a hash of its files, 0 without any, also of agents that do not tell.
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_version UInt64 CODEC(ZSTD(1)) AFTER config_version;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_attempted_version UInt64 CODEC(ZSTD(1)) AFTER rules_version;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules UInt32 CODEC(ZSTD(1)) AFTER rules_attempted_version;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_usable UInt32 CODEC(ZSTD(1)) AFTER rules;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_refused UInt32 CODEC(ZSTD(1)) AFTER rules_usable;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_matched_events UInt64 CODEC(ZSTD(1)) AFTER rules_refused;
ALTER TABLE crmscope.heartbeats ADD COLUMN IF NOT EXISTS rules_unnamed UInt64 CODEC(ZSTD(1)) AFTER rules_matched_events;
