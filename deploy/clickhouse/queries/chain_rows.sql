-- Question: what are the digests of the rows of each security batch, as they are stored now?
-- The canonical form, version 1, is that of proto/src/chain.rs: netstrings of the columns, SHA-256 of each
-- row, the digests in ascending order, SHA-256 of those. At most one row more than a batch can have is digested.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the events' own time
-- Columns:
--   agent_id, spool_id, sequence: of the batch; all zero for rows of which none is known
--   rows; rows_digest: hexadecimal; newest_ms: time of the newest of them, Unix ms
SELECT
    agent_id, spool_id, sequence,
    count() AS rows,
    lower(hex(SHA256(unhex(arrayStringConcat(arraySort(groupArray(16385)(row_digest))))))) AS rows_digest,
    max(at_ms) AS newest_ms
FROM
(
    SELECT
        toString(e.agent_id) AS agent_id, toString(e.spool_id) AS spool_id, e.sequence AS sequence,
        toUnixTimestamp64Milli(e.ts) AS at_ms,
        hex(SHA256(arrayStringConcat(arrayMap(value -> concat(toString(length(value)), ':', value, ','), [
            toString(e.event_id), toString(toUnixTimestamp64Milli(e.ts)), toString(e.class_uid), toString(e.activity_id),
            toString(e.status_id), toString(e.severity_id), toString(e.kind), toString(e.service), toString(e.method),
            e.user, e.target_user, e.source_address, toString(e.source_port), toString(e.process_id), toString(e.count),
            toString(e.records), e.detail,
            arrayStringConcat(arrayMap(rule -> concat(toString(length(rule)), ':', toString(rule), ','), e.rules))
        ])))) AS row_digest
    FROM crmscope.security_events AS e
    WHERE ({agent:String} = '' OR e.agent_id = {agent:String})
      AND e.ts >= {from:DateTime('UTC')} AND e.ts < {to:DateTime('UTC')}
)
GROUP BY agent_id, spool_id, sequence
ORDER BY agent_id, spool_id, sequence;
