-- Question: are there as many rows in the tables as the ledger says were stored?
-- A batch carries rows older than itself, so the two agree where nothing lies across the ends of the
-- range: choose it to hold all of the agent's life, or to end in a pause; and within 7 days, as raw
-- rows go after that.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded, of rows' times and of the
--     times at which batches were made; default the last 7 days
-- Columns:
--   lane; ledger_items: items of stored batches; table_rows: rows found
--   difference: table_rows - ledger_items; 0 is the right answer, more means counted twice
SELECT lane, sum(item_count) AS ledger_items, sum(row_count) AS table_rows,
    toInt64(table_rows) - toInt64(ledger_items) AS difference
FROM (
    SELECT toString(lane) AS lane, sumIf(items, disposition = 'stored') AS item_count, 0 AS row_count
    FROM crmscope.ledger
    WHERE created_at >= {from:DateTime('UTC')} AND created_at < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY lane
    UNION ALL
    -- A dropped range travels as an item of the presence lane and becomes a row of the ledger.
    SELECT 'presence', 0, count() FROM crmscope.ledger
    WHERE disposition = 'dropped' AND created_at >= {from:DateTime('UTC')} AND created_at < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'presence', 0, count() FROM crmscope.heartbeats
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'security', 0, count() FROM crmscope.security_events
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'requests', 0, count() FROM crmscope.requests_raw
    WHERE bucket_start >= {from:DateTime('UTC')} AND bucket_start < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'requests', 0, count() FROM crmscope.request_clients_raw
    WHERE window_start >= {from:DateTime('UTC')} AND window_start < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'requests', 0, count() FROM crmscope.request_exemplars
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'requests', 0, count() FROM crmscope.request_sampling
    WHERE bucket_start >= {from:DateTime('UTC')} AND bucket_start < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.host_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.disk_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.filesystem_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.interface_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.source_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.shedding_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.transport_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.process_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.unit_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.container_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.sensor_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.clock_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT 'metrics', 0, count() FROM crmscope.probe_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
)
GROUP BY lane
ORDER BY lane
