-- What is not a series by minutes. `{now}` and `{start}` are Unix s, `{hosts}`, `{apps}` and `{days}` the size.

INSERT INTO crmscope.agents (agent_id, connected_at, agent_version, hostname, operating_system, kernel_version, architecture, cpu_count, memory_bytes)
SELECT concat('crm-', leftPad(toString(number), 5, '0')), toDateTime({start}, 'UTC'), '0.1.0', concat('crm-', toString(number), '.example'), 'Debian 13', '6.12.0', 'x86_64', 4, 16000000000
FROM numbers({hosts});

INSERT INTO crmscope.host_changes (agent_id, changed_at, changed_by, role, host_group)
SELECT concat('crm-', leftPad(toString(number), 5, '0')), toDateTime({start}, 'UTC'), 'bench', if(number < {apps}, 'app', 'worker'), concat('site-', toString(number % 4))
FROM numbers({hosts});

-- A host is thought down and up again now and then.
INSERT INTO crmscope.host_states (agent_id, changed_at, state)
SELECT concat('crm-', leftPad(toString(number % {hosts}), 5, '0')), toDateTime({start} + 86400 * ({days} - 1) * (cityHash64(number) % 1000) / 1000 + if(number >= 3 * {hosts}, 86300, 0), 'UTC'),
    if(number % 7 = 0 AND number < 3 * {hosts}, 'down', 'up')
FROM numbers(4 * {hosts});

INSERT INTO crmscope.rule_targets (agent_id, changed_at, sets, version, rules)
SELECT concat('crm-', leftPad(toString(number), 5, '0')), toDateTime({start}, 'UTC'), ['all'], 99, 50 FROM numbers({hosts});

INSERT INTO crmscope.settings_targets (agent_id, changed_at, sets, version)
SELECT concat('crm-', leftPad(toString(number), 5, '0')), toDateTime({start}, 'UTC'), ['all'], 99 FROM numbers({hosts});

INSERT INTO crmscope.refused_rules (agent_id, ts, position, attempted_version, delivered, file, line, reason)
SELECT concat('crm-', leftPad(toString(number % 20), 5, '0')), toDateTime({start} + 3600 * intDiv(number, 20), 'UTC'), 1, 77, 0, 'own.yml', 3, 'the modifier is not known'
FROM numbers(20 * 24 * {days});

INSERT INTO crmscope.incidents (incident_id, kind, agent_id, role, host_group, objective, began_ms, ended_ms, summary, version)
SELECT generateUUIDv4(number), if(number % 9 = 0, 'burns_fast', 'silent'), if(number % 9 = 0, '', concat('crm-', leftPad(toString(cityHash64(number) % {hosts}), 5, '0'))), 'app', 'site-1',
    if(number % 9 = 0, concat('service-', toString(number % 10)), ''), 1000 * ({start} + toInt64(86400 * {days} / (4 * {days} * {hosts} / 30)) * number) AS began,
    if(number + 5 >= 4 * {days} * {hosts} / 30, 0, began + 300000), 'No heartbeat came, and no other host is silent.', 1
FROM numbers(toUInt64(4 * {days} * {hosts} / 30));

INSERT INTO crmscope.findings (rule_id, key_hash, finding_id, title, level, group_by, group_key, first_seen, last_seen, timespan_ms, suppress_ms, events, distinct_values, hosts, hosts_total, users, users_total, sources, sources_total, events_from, events_to, summary, found_ms, changed_ms, ended_ms, version)
SELECT concat('rule-', toString(number % 40)), cityHash64(number), generateUUIDv4(number), concat('Rule ', toString(number % 40)), ['low', 'medium', 'high'][1 + number % 3], ['source_address'], [concat('198.51.100.', toString(number % 250))],
    toDateTime({start} + toInt64(86400 * {days} / (20 * {days} * {hosts} / 30)) * number, 'UTC') AS seen, seen + 60, 600000, 3600000, 12, 1,
    [concat('crm-', leftPad(toString(number % {hosts}), 5, '0'))], 1, [concat('user-', toString(cityHash64(number) % 5000))], 1, [concat('198.51.100.', toString(number % 250))], 1, seen, seen + 60,
    'Twelve logins failed within ten minutes.', 1000 * toUnixTimestamp(seen), 1000 * toUnixTimestamp(seen), if(number + 20 >= 20 * {days} * {hosts} / 30, 0, 1000 * toUnixTimestamp(seen + 3600)), 1
FROM numbers(toUInt64(20 * {days} * {hosts} / 30));

-- A collector that was there all the time, told every five seconds.
INSERT INTO crmscope.collector_watch (collector_id, watched_from, watched_to)
SELECT toUUID('5b1d0000-0000-4000-8000-000000000001'), toDateTime({start} + 5 * number, 'UTC') AS began, began + 5 FROM numbers({days} * 17280);

INSERT INTO crmscope.presence_1h (agent_id, t, up_slots, last_ts)
SELECT concat('crm-', leftPad(toString(intDiv(number, 24 * {days})), 5, '0')), toDateTime(intDiv({now}, 3600) * 3600 - 3600 * ({days} * 24 - 1 - number % (24 * {days})), 'UTC') AS hour,
    bitmapBuild(arrayMap(slot -> toUInt32(intDiv(toUnixTimestamp(hour), 10) + slot), range(360))), least(hour + 3595, toDateTime({now}, 'UTC'))
FROM numbers({hosts} * 24 * {days});

INSERT INTO crmscope.presence_1d (agent_id, t, up_slots, last_ts)
SELECT concat('crm-', leftPad(toString(intDiv(number, {days})), 5, '0')), toDateTime(intDiv({now}, 86400) * 86400 - 86400 * ({days} - 1 - number % {days}), 'UTC') AS day,
    bitmapBuild(arrayMap(slot -> toUInt32(intDiv(toUnixTimestamp(day), 10) + slot), range(8640))), least(day + 86395, toDateTime({now}, 'UTC'))
FROM numbers({hosts} * {days});

-- Every hour that is over by an hour is judged; of one in two hundred something is down.
INSERT INTO crmscope.presence_hours (agent_id, t, version, open_ms, from_ms, to_ms, server, network, agent, reason, server_up_ms, network_up_ms, agent_up_ms, total_up_ms)
SELECT concat('crm-', leftPad(toString(intDiv(number, 24 * {days})), 5, '0')), toDateTime(intDiv({now}, 3600) * 3600 - 3600 * ({days} * 24 + 1 - number % (24 * {days})), 'UTC') AS hour, 1,
    1000 * (toInt64(toUnixTimestamp(hour)) AS second) + 3600000,
    if(cityHash64(number) % 200 = 0 AS was_down, [1000 * second, 1000 * second + 600000, 1000 * second + 900000], [1000 * second]),
    if(was_down, [1000 * second + 600000, 1000 * second + 900000, 1000 * second + 3600000], [1000 * second + 3600000]),
    if(was_down, [1, 2, 1], [1]), if(was_down, [1, 2, 1], [1]), if(was_down, [1, 2, 1], [1]), if(was_down, ['beats', 'rebooted', 'beats'], ['beats']), 3600000, 3600000, 3600000, 3600000
FROM numbers({hosts} * 24 * {days});

INSERT INTO crmscope.service_hours (service, t, version, runs, from_ms, to_ms, answered, everywhere, answered_up_ms, everywhere_up_ms)
SELECT concat('service-', toString(intDiv(number, 24 * {days}))), toDateTime(intDiv({now}, 3600) * 3600 - 3600 * ({days} * 24 + 1 - number % (24 * {days})), 'UTC') AS hour, 1, 600,
    [1000 * toInt64(toUnixTimestamp(hour))], [1000 * toInt64(toUnixTimestamp(hour)) + 3600000], [1], [1], 3600000, 3600000
FROM numbers(10 * 24 * {days});

-- Of each host an event every quarter of an hour: logins, some of which fail, exports, changed accounts.
INSERT INTO crmscope.security_events (event_id, ts, agent_id, class_uid, activity_id, status_id, severity_id, kind, service, method, user, target_user, source_address, count, records, detail, spool_id, sequence)
SELECT generateUUIDv4(number), toDateTime64({start}, 3, 'UTC') + 900 * intDiv(number, {hosts}) + (cityHash64(number) AS h) % 900, concat('crm-', leftPad(toString(number % {hosts}), 5, '0')),
    if(h % 500 = 0, 3001, 3002), 1, if(h % 3 = 0, 2, 1), 1, if(h % 500 = 0, 'account_created', if(h % 40 = 0, 'data_export', ['ssh_login', 'app_login', 'sudo_password'][1 + h % 3])), ['sshd', 'crm', 'sudo'][1 + h % 3], 'password',
    concat('user-', toString(h % 5000)), '', concat('198.51.', toString(h % 80), '.', toString(h % 250)), 1, if(h % 40 = 0, h % 900, 0), '', toUUID('5b1d0000-0000-4000-8000-000000000001'), intDiv(number, {hosts})
FROM numbers({hosts} * 96 * {days});

INSERT INTO crmscope.chain_links (agent_id, boot_id, spool_id, sequence, version, created_ms, rows, rows_digest, previous_sequence, previous_created_ms, previous_link, link, found, received_at)
SELECT concat('crm-', leftPad(toString(intDiv(number, 96 * {days})), 5, '0')), toUUID('5b1d0000-0000-4000-8000-000000000001'), toUUID('5b1d0000-0000-4000-8000-000000000001'), number % (96 * {days}) + 1 AS sequence, 1,
    1000 * ({start} + 900 * sequence), 1, lower(hex(SHA256(toString(number)))), sequence - 1, 0, lower(hex(SHA256(toString(number - 1)))), lower(hex(SHA256(toString(number)))), 'matched', toDateTime({start} + 900 * sequence, 'UTC')
FROM numbers({hosts} * 96 * {days});

INSERT INTO crmscope.request_exemplars (agent_id, service, kind, ts, route, method, status, response_bytes, latency_us, upstream_latency_us, network, target)
SELECT concat('crm-', leftPad(toString(number % {apps}), 5, '0')), concat('service-', toString(number % {apps} % 10)), if(number % 3 = 0, 'failed', 'slow'), toDateTime64({start}, 3, 'UTC') + 60 * intDiv(number, {apps}) + (cityHash64(number) AS h) % 60,
    concat('/crm/route-', leftPad(toString(h % 50), 2, '0')), 'GET', if(number % 3 = 0, 500, 200), 900, 1000000 + h % 9000000, 900000, '198.51.100.0/24', concat('/crm/route-', toString(h % 50), '/:id')
FROM numbers({apps} * 1440 * {days});

INSERT INTO crmscope.request_sampling (agent_id, service, kind, bucket_start, eligible, kept)
SELECT concat('crm-', leftPad(toString(number % {apps}), 5, '0')), concat('service-', toString(number % {apps} % 10)), if(number % 3 = 0, 'failed', 'slow'), toDateTime({start} + 60 * intDiv(number, {apps}), 'UTC'), 4, 1
FROM numbers({apps} * 1440 * {days});
