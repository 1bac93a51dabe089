-- Enrolment tokens: a row for every change of one, the newest in force. No secret is stored, only its digest.
CREATE TABLE IF NOT EXISTS crmscope.enrolment_tokens (
    token_id      String CODEC(ZSTD(1)),
    change        Enum8('created' = 1, 'revoked' = 2) CODEC(ZSTD(1)),
    changed_at    DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    changed_by    String CODEC(ZSTD(1)),
    -- SHA-256, hexadecimal.
    secret_sha256 String CODEC(ZSTD(1)),
    -- The one agent that may use it, or empty.
    agent_id      String CODEC(ZSTD(1)),
    -- What the hosts become that use it, see host_changes.
    role          LowCardinality(String) CODEC(ZSTD(1)),
    host_group    LowCardinality(String) CODEC(ZSTD(1)),
    -- How many agents may use it.
    agents_max    UInt32 CODEC(ZSTD(1)),
    -- Unix ms.
    expires_ms    Int64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (token_id, changed_at)
SETTINGS non_replicated_deduplication_window = 10000;

-- Which keys agents got certificates for: the audit, and what keeps a token from being used twice.
CREATE TABLE IF NOT EXISTS crmscope.enrolments (
    agent_id    String CODEC(ZSTD(1)),
    happened_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    -- What is asked for is written down before it is granted, so that of two who ask at once not both get it.
    kind        Enum8('asked' = 1, 'enrolled' = 2, 'renewed' = 3) CODEC(ZSTD(1)),
    token_id    String CODEC(ZSTD(1)),
    -- SHA-256 of the public key, hexadecimal.
    key_sha256  String CODEC(ZSTD(1)),
    -- Unix ms; 0 of what was only asked.
    expires_ms  Int64 CODEC(ZSTD(1)),
    -- From where, as the collector saw it.
    peer        String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (agent_id, happened_at)
-- Longer than any certificate lives, so that an agent that renews is always known.
TTL toDateTime(happened_at) + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000;

-- Agents whose certificates are refused: a row for every change, the newest of an agent in force.
CREATE TABLE IF NOT EXISTS crmscope.certificate_changes (
    agent_id   String CODEC(ZSTD(1)),
    -- Allowed again: certificates made before are refused all the same.
    change     Enum8('revoked' = 1, 'allowed' = 2) CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    changed_by String CODEC(ZSTD(1)),
    note       String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (agent_id, changed_at)
SETTINGS non_replicated_deduplication_window = 10000;
