-- Users with no more rights than they need: crmscope_migrator makes and changes the schema, crmscope_writer is
-- the collector's (with clickhouse.migrate = false), crmscope_reader is for pages, API and Grafana.
--
-- Put a password's SHA-256 in the place of each <...>: printf %s "$password" | sha256sum. Until then ClickHouse
-- refuses the file. It may be run again; a password is changed by ALTER USER. On a cluster, run it on every
-- replica, or once where users are kept in Keeper. A test compares it with what collectors ask for.

-- The schema. Materialized views go by the rights of whoever made them, so this user stays.
CREATE USER IF NOT EXISTS crmscope_migrator IDENTIFIED WITH sha256_hash BY '<migrator>';
GRANT CREATE DATABASE ON crmscope.* TO crmscope_migrator;
GRANT SELECT, INSERT ON crmscope.* TO crmscope_migrator;
GRANT CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE ON crmscope.* TO crmscope_migrator;
GRANT ALTER COLUMN, ALTER INDEX, ALTER TTL, ALTER VIEW MODIFY QUERY ON crmscope.* TO crmscope_migrator;
GRANT CREATE FUNCTION ON *.* TO crmscope_migrator;
GRANT TABLE ENGINE ON MergeTree TO crmscope_migrator;
GRANT TABLE ENGINE ON ReplacingMergeTree TO crmscope_migrator;
GRANT TABLE ENGINE ON AggregatingMergeTree TO crmscope_migrator;
GRANT TABLE ENGINE ON Memory TO crmscope_migrator;
-- With clickhouse.cluster.
GRANT TABLE ENGINE ON ReplicatedMergeTree TO crmscope_migrator;
GRANT TABLE ENGINE ON ReplicatedReplacingMergeTree TO crmscope_migrator;
GRANT TABLE ENGINE ON ReplicatedAggregatingMergeTree TO crmscope_migrator;
GRANT CLUSTER ON *.* TO crmscope_migrator;
GRANT SYSTEM SYNC REPLICA ON crmscope.* TO crmscope_migrator;
GRANT SELECT ON system.clusters TO crmscope_migrator;
GRANT SELECT ON system.macros TO crmscope_migrator;
-- With clickhouse.read_cluster.
GRANT CREATE DATABASE ON crmscope_all.* TO crmscope_migrator;
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE ON crmscope_all.* TO crmscope_migrator;
GRANT TABLE ENGINE ON Distributed TO crmscope_migrator;
GRANT REMOTE ON *.* TO crmscope_migrator;

-- Rows. What views write needs no right of the writer.
CREATE USER IF NOT EXISTS crmscope_writer IDENTIFIED WITH sha256_hash BY '<writer>';
GRANT SELECT ON crmscope.* TO crmscope_writer;
GRANT INSERT ON crmscope.agents TO crmscope_writer;
GRANT INSERT ON crmscope.arrivals TO crmscope_writer;
GRANT INSERT ON crmscope.baseline_arrivals TO crmscope_writer;
GRANT INSERT ON crmscope.baseline_looks TO crmscope_writer;
GRANT INSERT ON crmscope.certificate_changes TO crmscope_writer;
GRANT INSERT ON crmscope.chain_links TO crmscope_writer;
GRANT INSERT ON crmscope.clock_raw TO crmscope_writer;
GRANT INSERT ON crmscope.collector_watch TO crmscope_writer;
GRANT INSERT ON crmscope.container_raw TO crmscope_writer;
GRANT INSERT ON crmscope.correlation_looks TO crmscope_writer;
GRANT INSERT ON crmscope.dead_letters TO crmscope_writer;
GRANT INSERT ON crmscope.disk_raw TO crmscope_writer;
GRANT INSERT ON crmscope.enrolment_tokens TO crmscope_writer;
GRANT INSERT ON crmscope.enrolments TO crmscope_writer;
GRANT INSERT ON crmscope.filesystem_raw TO crmscope_writer;
GRANT INSERT ON crmscope.findings TO crmscope_writer;
GRANT INSERT ON crmscope.heartbeats TO crmscope_writer;
GRANT INSERT ON crmscope.host_changes TO crmscope_writer;
GRANT INSERT ON crmscope.host_raw TO crmscope_writer;
GRANT INSERT ON crmscope.host_states TO crmscope_writer;
GRANT INSERT ON crmscope.incidents TO crmscope_writer;
GRANT INSERT ON crmscope.interface_raw TO crmscope_writer;
GRANT INSERT ON crmscope.journal TO crmscope_writer;
GRANT INSERT ON crmscope.journal_tables TO crmscope_writer;
GRANT INSERT ON crmscope.lane_states TO crmscope_writer;
GRANT INSERT ON crmscope.ledger TO crmscope_writer;
GRANT INSERT ON crmscope.log_positions TO crmscope_writer;
GRANT INSERT ON crmscope.maintenance_changes TO crmscope_writer;
GRANT INSERT ON crmscope.notifications TO crmscope_writer;
GRANT INSERT ON crmscope.presence_audit TO crmscope_writer;
GRANT INSERT ON crmscope.presence_hours TO crmscope_writer;
GRANT INSERT ON crmscope.probe_raw TO crmscope_writer;
GRANT INSERT ON crmscope.process_raw TO crmscope_writer;
GRANT INSERT ON crmscope.refused_rules TO crmscope_writer;
GRANT INSERT ON crmscope.request_clients_raw TO crmscope_writer;
GRANT INSERT ON crmscope.request_exemplars TO crmscope_writer;
GRANT INSERT ON crmscope.request_sampling TO crmscope_writer;
GRANT INSERT ON crmscope.requests_raw TO crmscope_writer;
GRANT INSERT ON crmscope.rule_targets TO crmscope_writer;
GRANT INSERT ON crmscope.security_arrivals TO crmscope_writer;
GRANT INSERT ON crmscope.security_events TO crmscope_writer;
GRANT INSERT ON crmscope.sensor_raw TO crmscope_writer;
GRANT INSERT ON crmscope.service_audit TO crmscope_writer;
GRANT INSERT ON crmscope.service_hours TO crmscope_writer;
GRANT INSERT ON crmscope.settings_targets TO crmscope_writer;
GRANT INSERT ON crmscope.shedding_raw TO crmscope_writer;
GRANT INSERT ON crmscope.source_raw TO crmscope_writer;
GRANT INSERT ON crmscope.transport_raw TO crmscope_writer;
GRANT INSERT ON crmscope.unit_raw TO crmscope_writer;
GRANT INSERT ON crmscope.write_probe TO crmscope_writer;
-- Partitions of the journal whose blocks are settled (without Kafka).
GRANT ALTER DELETE ON crmscope.journal TO crmscope_writer;
-- Whose turn it is to watch over the hosts: a table each, in memory.
GRANT SELECT, INSERT, CREATE TABLE, DROP TABLE, TRUNCATE ON crmscope.presence_turn_* TO crmscope_writer;
GRANT TABLE ENGINE ON Memory TO crmscope_writer;
-- With clickhouse.cluster.
GRANT SYSTEM SYNC REPLICA ON crmscope.* TO crmscope_writer;
GRANT SELECT ON system.clusters TO crmscope_writer;
GRANT SELECT ON system.macros TO crmscope_writer;

-- Questions. 2, and not 1, as some queries set join_use_nulls and the collector sets limits with each;
-- distributed_product_mode is for crmscope_all.
CREATE SETTINGS PROFILE IF NOT EXISTS crmscope_reader SETTINGS readonly = 2, max_execution_time = 10 MAX 300,
    max_memory_usage = 1073741824 MAX 4294967296, distributed_product_mode = 'global';
CREATE USER IF NOT EXISTS crmscope_reader IDENTIFIED WITH sha256_hash BY '<reader>'
    SETTINGS PROFILE 'crmscope_reader';
GRANT SELECT ON crmscope.* TO crmscope_reader;
-- With clickhouse.read_cluster.
GRANT SELECT ON crmscope_all.* TO crmscope_reader;
