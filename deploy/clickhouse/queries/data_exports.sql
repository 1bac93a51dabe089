-- Question: who took how many records out of the CRM, and is that more than usual for them?
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last day
--   limit UInt32: how many users; default 50
-- Columns:
--   service, user: the application, and who exported (a stranger's text; Odoo tells a number)
--   exports, records: count and data records over the range; largest: records of the largest export
--   before_exports, before_records: the same in the 14 days before the range
--   sources, models: up to 8 addresses and up to 8 things exported
--   first_ts, last_ts: first and last export of the range
SELECT e.service AS service, e.user AS user,
    sumIf(e.count, e.ts >= {from:DateTime('UTC')}) AS exports,
    sumIf(e.records * e.count, e.ts >= {from:DateTime('UTC')}) AS records,
    maxIf(e.records, e.ts >= {from:DateTime('UTC')}) AS largest,
    sumIf(e.count, e.ts < {from:DateTime('UTC')}) AS before_exports,
    sumIf(e.records * e.count, e.ts < {from:DateTime('UTC')}) AS before_records,
    arraySort(groupUniqArrayIf(8)(e.source_address, e.ts >= {from:DateTime('UTC')})) AS sources,
    arraySort(groupUniqArrayIf(8)(e.detail, e.ts >= {from:DateTime('UTC')})) AS models,
    minIf(e.ts, e.ts >= {from:DateTime('UTC')}) AS first_ts,
    maxIf(e.ts, e.ts >= {from:DateTime('UTC')}) AS last_ts
FROM crmscope.security_events AS e
-- The hour leads the key, so it is what skips granules.
WHERE toStartOfHour(e.ts) >= toStartOfHour({from:DateTime('UTC')} - INTERVAL 14 DAY)
    AND e.ts >= {from:DateTime('UTC')} - INTERVAL 14 DAY AND e.ts < {to:DateTime('UTC')}
    AND e.kind = 'data_export' AND e.status_id != 2 AND ({agent:String} = '' OR e.agent_id = {agent:String})
GROUP BY service, user
HAVING exports > 0
ORDER BY records DESC, service, user
LIMIT {limit:UInt32}
