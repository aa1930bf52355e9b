-- Who may ask: parties with their API keys, agents with the tokens they enrol with, and whose devices are whose. Of keys
-- and tokens the SHA-256 alone is here, and the characters by which it is found.

CREATE TABLE parties (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('tenant', 'provider', 'marketplace')),
    name       TEXT COLLATE "C" NOT NULL,
    oidc_name  TEXT COLLATE "C" UNIQUE, -- what tokens of the configured issuer call it
    created_at BIGINT NOT NULL
);

CREATE INDEX parties_by_time ON parties (created_at, id);

CREATE TABLE api_keys (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    party        TEXT COLLATE "C" NOT NULL REFERENCES parties (id),
    prefix       TEXT COLLATE "C" NOT NULL UNIQUE CHECK (length(prefix) = 8),
    sha256       BYTEA NOT NULL        CHECK (octet_length(sha256) = 32),
    scopes       TEXT COLLATE "C" NOT NULL,        -- words with a space between them
    label        TEXT COLLATE "C",
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT, -- the first second in which it no longer counts; NULL: it does not expire
    revoked_at   BIGINT,
    last_used_at BIGINT                  -- to the hour
);

CREATE INDEX api_keys_by_party ON api_keys (party, created_at, id);

CREATE TABLE enrolment_tokens (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    owner      TEXT COLLATE "C" NOT NULL REFERENCES parties (id),
    prefix     TEXT COLLATE "C" NOT NULL UNIQUE CHECK (length(prefix) = 8),
    sha256     BYTEA NOT NULL        CHECK (octet_length(sha256) = 32),
    label      TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_by    TEXT COLLATE "C" -- the agent it let in; NULL: it waits
);

CREATE INDEX enrolment_tokens_by_owner ON enrolment_tokens (owner, expires_at);

-- A key enrols once, also after its agent was removed.
CREATE TABLE agents (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    owner       TEXT COLLATE "C" NOT NULL REFERENCES parties (id),
    key         BYTEA NOT NULL UNIQUE CHECK (octet_length(key) = 32),
    name        TEXT COLLATE "C",
    enrolled_at BIGINT NOT NULL,
    removed_at  BIGINT,
    seen_at     BIGINT, -- to the minute
    capacity    BIGINT NOT NULL DEFAULT 0, -- how many assignments it takes at one time, and
    report      TEXT COLLATE "C" -- JSON: what else it says of itself, verified by nobody
);

CREATE INDEX agents_by_owner ON agents (owner, enrolled_at, id) WHERE removed_at IS NULL;
CREATE INDEX agents_by_presence ON agents (seen_at) WHERE removed_at IS NULL;

-- Devices of which verified evidence was seen, and whose agent showed it last.
CREATE TABLE devices (
    ueid_sha256   BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(ueid_sha256) = 32),
    owner         TEXT COLLATE "C" NOT NULL REFERENCES parties (id),
    agent         TEXT COLLATE "C" NOT NULL REFERENCES agents (id),
    first_seen_at BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL
);
