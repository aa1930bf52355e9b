-- Who may ask: parties with their API keys, agents with the tokens they enrol with, and whose devices are whose. Of keys
-- and tokens the SHA-256 alone is here, and the characters by which it is found.

CREATE TABLE parties (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    kind       TEXT    NOT NULL CHECK (kind IN ('tenant', 'provider', 'marketplace')),
    name       TEXT    NOT NULL,
    oidc_name  TEXT    UNIQUE,            -- what tokens of the configured issuer call it
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX parties_by_time ON parties (created_at, id);

CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    party        TEXT    NOT NULL REFERENCES parties (id),
    prefix       TEXT    NOT NULL UNIQUE CHECK (length(prefix) = 8),
    sha256       BLOB    NOT NULL        CHECK (length(sha256) = 32),
    scopes       TEXT    NOT NULL,        -- words with a space between them
    label        TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,                 -- the first second in which it no longer counts; NULL: it does not expire
    revoked_at   INTEGER,
    last_used_at INTEGER                  -- to the hour
) STRICT;

CREATE INDEX api_keys_by_party ON api_keys (party, created_at, id);

CREATE TABLE enrolment_tokens (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    owner      TEXT    NOT NULL REFERENCES parties (id),
    prefix     TEXT    NOT NULL UNIQUE CHECK (length(prefix) = 8),
    sha256     BLOB    NOT NULL        CHECK (length(sha256) = 32),
    label      TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by    TEXT                       -- the agent it let in; NULL: it waits
) STRICT;

CREATE INDEX enrolment_tokens_by_owner ON enrolment_tokens (owner, expires_at);

-- A key enrols once, also after its agent was removed.
CREATE TABLE agents (
    id          TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    owner       TEXT    NOT NULL REFERENCES parties (id),
    key         BLOB    NOT NULL UNIQUE CHECK (length(key) = 32),
    name        TEXT,
    enrolled_at INTEGER NOT NULL,
    removed_at  INTEGER,
    seen_at     INTEGER,                  -- to the minute
    capacity    INTEGER NOT NULL DEFAULT 0, -- how many assignments it takes at one time, and
    report      TEXT                      -- JSON: what else it says of itself, verified by nobody
) STRICT;

CREATE INDEX agents_by_owner ON agents (owner, enrolled_at, id) WHERE removed_at IS NULL;
CREATE INDEX agents_by_presence ON agents (seen_at) WHERE removed_at IS NULL;

-- Devices of which verified evidence was seen, and whose agent showed it last.
CREATE TABLE devices (
    ueid_sha256   BLOB    NOT NULL PRIMARY KEY CHECK (length(ueid_sha256) = 32),
    owner         TEXT    NOT NULL REFERENCES parties (id),
    agent         TEXT    NOT NULL REFERENCES agents (id),
    first_seen_at INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL
) STRICT;
