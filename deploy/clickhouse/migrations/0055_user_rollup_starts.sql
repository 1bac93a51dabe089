-- user_activity_1h and user_logins_1h came later than the events they are made of, so they are whole from some time
-- on only, as service_requests_1m and _1h are (0049). Where nothing was stored yet they are whole.
INSERT INTO crmscope.rollup_starts (name, since)
SELECT arrayJoin(['user_activity', 'user_logins']), if((SELECT count() FROM crmscope.security_events) = 0, toDateTime(0, 'UTC'), toStartOfHour(now('UTC')) + INTERVAL 1 DAY);
