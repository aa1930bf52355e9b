-- The tables of ../sqlite/0001 to 0004 on PostgreSQL. Text is compared by its bytes (COLLATE "C"), as SQLite does.
--
-- A challenge gives one receipt: `receipts.challenge` is unique, so the database itself refuses a second, also after
-- the challenge has been forgotten. Times are seconds since 1970; digests and keys are raw bytes.

CREATE TABLE challenges (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    value      BYTEA  NOT NULL UNIQUE CHECK (octet_length(value) = 32),
    job        BYTEA  NOT NULL        CHECK (octet_length(job) = 32),
    agent_key  BYTEA  NOT NULL        CHECK (octet_length(agent_key) = 32),
    audience   TEXT COLLATE "C",      -- NULL: every audience of the verifier
    expires_at BIGINT NOT NULL,       -- the first second in which it no longer counts
    receipt    TEXT COLLATE "C"       -- the receipt it was spent on; NULL: not spent
);

-- Serves the count of open challenges and the removal of old ones.
CREATE INDEX challenges_by_expiry ON challenges (expires_at, receipt);
-- Serves the count of an agent's open challenges.
CREATE INDEX challenges_by_agent ON challenges (agent_key, expires_at, receipt);

CREATE TABLE bundles (
    sha256 BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(sha256) = 32),
    bytes  BYTEA NOT NULL             -- exactly as received
);

CREATE TABLE receipts (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    token           TEXT   NOT NULL,          -- the JWT
    issued_at       BIGINT NOT NULL,
    challenge       BYTEA  NOT NULL UNIQUE CHECK (octet_length(challenge) = 32),
    bundle          BYTEA  NOT NULL UNIQUE REFERENCES bundles (sha256),
    job             BYTEA  NOT NULL        CHECK (octet_length(job) = 32),
    agent_key       BYTEA  NOT NULL        CHECK (octet_length(agent_key) = 32),
    idempotency_key TEXT COLLATE "C"          -- of the request that made it, if it had one
);

CREATE UNIQUE INDEX receipts_by_idempotency_key ON receipts (agent_key, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- Serves the question for the latest receipts, and pages of them.
CREATE INDEX receipts_by_time ON receipts (issued_at, id);

-- Policies: every text that was uploaded, that came with the verifier or that its configuration named, as numbered
-- versions of a name; and which version was put in force when. The last activation counts.
CREATE TABLE policies (
    id       TEXT COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 64),
    version  BIGINT NOT NULL CHECK (version >= 1),
    sha256   BYTEA  NOT NULL CHECK (octet_length(sha256) = 32),
    text     BYTEA  NOT NULL,         -- exactly as received
    added_at BIGINT NOT NULL,
    PRIMARY KEY (id, version)
);

-- A receipt names its policy by digest.
CREATE INDEX policies_by_digest ON policies (sha256);

CREATE TABLE policy_activations (
    number  BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id      TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    FOREIGN KEY (id, version) REFERENCES policies (id, version)
);

-- What was issued stays issued, and what a receipt was granted by stays what it was.
CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are never deleted or changed', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER receipts_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts EXECUTE FUNCTION never();
CREATE TRIGGER bundles_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON bundles EXECUTE FUNCTION never();
CREATE TRIGGER policies_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON policies EXECUTE FUNCTION never();
CREATE TRIGGER policy_activations_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_activations
    EXECUTE FUNCTION never();

-- Written by the readiness probe, to see that writing works.
CREATE TABLE probe (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL
);

-- What only one transaction may write at a time, over all verifiers on this database: a row that is locked first.
CREATE TABLE locks (
    topic TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

INSERT INTO locks (topic) VALUES ('policies');
