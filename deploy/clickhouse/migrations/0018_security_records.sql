-- How many data records an event is about: bulk exports are judged by it. 0 where the log tells none.
ALTER TABLE crmscope.security_events ADD COLUMN IF NOT EXISTS records UInt64 CODEC(T64, ZSTD(1)) AFTER count;
