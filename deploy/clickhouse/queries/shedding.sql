-- Question: what did agents stop measuring, when, and because of which ceiling?
-- A row is an episode: minutes in a row (one may lack) in which the subject was made rarer or left out.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded, within 90 days; default the last day
-- Columns:
--   agent_id
--   subject: what was shed; `crmscope-agent budget` says what each means
--   cause: the ceiling the agent came near: cpu, memory, disk or network
--   since, until: the minute it began; the last report of it, UTC
--   shed_seconds: how long it was shed in all
--   level_max: most subjects shed at once by that agent
SELECT agent_id, subject, cause, min(t) AS since, max(last_ts) AS until,
    sum(shed_ms) / 1000 AS shed_seconds, max(level_max) AS level_max
FROM (
    SELECT *, sum(begins) OVER (PARTITION BY agent_id, subject, cause ORDER BY t) AS episode
    FROM (
        SELECT *, t > lagInFrame(t, 1) OVER (PARTITION BY agent_id, subject, cause ORDER BY t) + 120 AS begins
        FROM (
            SELECT r.agent_id AS agent_id, r.subject AS subject, r.cause AS cause, r.t AS t,
                max(r.last_ts) AS last_ts, sum(r.shed_ms) AS shed_ms, max(r.level_max) AS level_max
            FROM crmscope.shedding_1m AS r
            WHERE r.t >= {from:DateTime('UTC')} AND r.t < {to:DateTime('UTC')} AND ({agent:String} = '' OR r.agent_id = {agent:String})
            GROUP BY agent_id, subject, cause, t
        )
    )
)
GROUP BY agent_id, subject, cause, episode
ORDER BY since DESC, agent_id, subject, cause
