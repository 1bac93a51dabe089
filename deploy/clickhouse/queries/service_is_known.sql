-- Question: was a service ever probed, or were requests of it ever counted?
-- Parameters:
--   service String: the service
-- Columns:
--   known: 1 if so, else 0
SELECT toUInt8(
    (SELECT count() FROM (SELECT 1 FROM crmscope.probe_1d WHERE service = {service:String} LIMIT 1))
    + (SELECT count() FROM (SELECT 1 FROM crmscope.requests_1d WHERE service = {service:String} LIMIT 1)) > 0) AS known
