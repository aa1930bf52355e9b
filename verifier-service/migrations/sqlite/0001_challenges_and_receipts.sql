-- Challenges, the receipts they were spent on, and the bundles the receipts are about.
--
-- A challenge gives one receipt: `receipts.challenge` is unique, so the database itself refuses a second, also after
-- the challenge has been forgotten. Times are seconds since 1970; digests and keys are raw bytes.

CREATE TABLE challenges (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    value      BLOB    NOT NULL UNIQUE      CHECK (length(value) = 32),
    job        BLOB    NOT NULL             CHECK (length(job) = 32),
    agent_key  BLOB    NOT NULL             CHECK (length(agent_key) = 32),
    audience   TEXT,                        -- NULL: every audience of the verifier
    expires_at INTEGER NOT NULL,            -- the first second in which it no longer counts
    receipt    TEXT                         -- the receipt it was spent on; NULL: not spent
) STRICT;

-- Serves the count of open challenges and the removal of old ones.
CREATE INDEX challenges_by_expiry ON challenges (expires_at, receipt);

CREATE TABLE bundles (
    sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    bytes  BLOB NOT NULL             -- exactly as received
) STRICT;

CREATE TABLE receipts (
    id              TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    token           TEXT    NOT NULL,         -- the JWT
    issued_at       INTEGER NOT NULL,
    challenge       BLOB    NOT NULL UNIQUE CHECK (length(challenge) = 32),
    bundle          BLOB    NOT NULL UNIQUE REFERENCES bundles (sha256),
    job             BLOB    NOT NULL        CHECK (length(job) = 32),
    agent_key       BLOB    NOT NULL        CHECK (length(agent_key) = 32),
    idempotency_key TEXT                      -- of the request that made it, if it had one
) STRICT;

CREATE UNIQUE INDEX receipts_by_idempotency_key ON receipts (agent_key, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- What was issued stays issued.
CREATE TRIGGER receipts_are_kept BEFORE DELETE ON receipts
    BEGIN SELECT RAISE(ABORT, 'receipts are never deleted'); END;
CREATE TRIGGER receipts_are_not_changed BEFORE UPDATE ON receipts
    BEGIN SELECT RAISE(ABORT, 'receipts are never changed'); END;
CREATE TRIGGER bundles_are_kept BEFORE DELETE ON bundles
    BEGIN SELECT RAISE(ABORT, 'bundles are never deleted'); END;
CREATE TRIGGER bundles_are_not_changed BEFORE UPDATE ON bundles
    BEGIN SELECT RAISE(ABORT, 'bundles are never changed'); END;

-- Written by the readiness probe, to see that writing works.
CREATE TABLE probe (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;
