-- From a job to a reward: what is to be run, who runs it, who owes whom, who is told.
--
-- Times are seconds since 1970; digests and keys are raw bytes; money is minor units of one currency.

-- The body is the whole job with its assignments, and holds secrets; the columns beside it are for finding it.
CREATE TABLE jobs (
    id                 TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    tenant             TEXT    NOT NULL REFERENCES parties (id),
    digest             BLOB    NOT NULL CHECK (length(digest) = 32),
    status             TEXT    NOT NULL,
    created_at         INTEGER NOT NULL,
    due_at             INTEGER,          -- when it is to be looked at; NULL: never again
    body               TEXT    NOT NULL,
    idempotency_key    TEXT,             -- of the request that made it, if it had one
    idempotency_sha256 BLOB              -- SHA-256 of that request
) STRICT;

CREATE INDEX jobs_by_tenant ON jobs (tenant, created_at, id);
CREATE INDEX jobs_by_due ON jobs (due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE assignments (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    job        TEXT    NOT NULL REFERENCES jobs (id),
    agent      TEXT    NOT NULL REFERENCES agents (id),
    status     TEXT    NOT NULL,
    offered_at INTEGER NOT NULL,
    is_open    INTEGER NOT NULL CHECK (is_open IN (0, 1))  -- 1: something may still be asked of the agent
) STRICT;

CREATE INDEX assignments_by_job ON assignments (job);
CREATE INDEX assignments_of_agent ON assignments (agent, offered_at, id) WHERE is_open = 1;

CREATE TABLE assignment_challenges (
    value      BLOB NOT NULL PRIMARY KEY CHECK (length(value) = 32),  -- answered, and never to be answered again
    job        TEXT NOT NULL REFERENCES jobs (id)
) STRICT;

-- Openings and answers to the referee, exactly as received, by digest; the job says what each is.
CREATE TABLE documents (
    sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    job    TEXT NOT NULL REFERENCES jobs (id),
    bytes  BLOB NOT NULL
) STRICT;

-- Receipts that came of jobs, and whether they still hold.
CREATE TABLE job_receipts (
    receipt    TEXT    NOT NULL PRIMARY KEY REFERENCES receipts (id),
    assignment TEXT    NOT NULL UNIQUE REFERENCES assignments (id),
    job        TEXT    NOT NULL REFERENCES jobs (id),
    tenant     TEXT    NOT NULL REFERENCES parties (id),
    issued_at  INTEGER NOT NULL,
    revoked_at INTEGER                   -- NULL: it holds
) STRICT;

CREATE INDEX job_receipts_by_tenant ON job_receipts (tenant, issued_at, receipt);
CREATE INDEX job_receipts_by_job ON job_receipts (job);

CREATE TABLE records (
    agent    TEXT    NOT NULL REFERENCES agents (id),
    workload TEXT    NOT NULL,
    good     INTEGER NOT NULL CHECK (good >= 0),  -- good results since the last bad one
    PRIMARY KEY (agent, workload)
) STRICT;

CREATE TABLE accounts (
    name     TEXT    NOT NULL,
    currency TEXT    NOT NULL CHECK (length(currency) = 3),
    balance  INTEGER NOT NULL CHECK (balance >= 0 OR substr(name, 1, 8) = 'outside/'),
    PRIMARY KEY (name, currency)
) STRICT;

-- The journal. Each transfer moves money once: a second with its kind and key is refused.
CREATE TABLE transfers (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    job        TEXT,
    assignment TEXT,
    UNIQUE (kind, key)
) STRICT;

-- What accounts gained and lost; the amounts of one transfer sum to zero.
CREATE TABLE postings (
    transfer INTEGER NOT NULL REFERENCES transfers (number),
    account  TEXT    NOT NULL,
    amount   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (transfer, account)
) STRICT;

CREATE INDEX postings_by_account ON postings (account, at, transfer);

CREATE TRIGGER transfers_are_kept BEFORE DELETE ON transfers
    BEGIN SELECT RAISE(ABORT, 'transfers are never deleted'); END;
CREATE TRIGGER transfers_are_not_changed BEFORE UPDATE ON transfers
    BEGIN SELECT RAISE(ABORT, 'transfers are never changed'); END;
CREATE TRIGGER postings_are_kept BEFORE DELETE ON postings
    BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
CREATE TRIGGER postings_are_not_changed BEFORE UPDATE ON postings
    BEGIN SELECT RAISE(ABORT, 'postings are never changed'); END;

-- The history of all jobs.
CREATE TABLE events (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    job    TEXT    NOT NULL REFERENCES jobs (id),
    at     INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    body   TEXT    NOT NULL              -- the event, JSON
) STRICT;

CREATE INDEX events_by_job ON events (job, number);

CREATE TABLE webhooks (
    id         TEXT    NOT NULL PRIMARY KEY,
    party      TEXT    NOT NULL REFERENCES parties (id),
    url        TEXT    NOT NULL,
    secret     BLOB    NOT NULL,         -- signs what is sent
    created_at INTEGER NOT NULL,
    removed_at INTEGER                   -- NULL: it is told
) STRICT;

CREATE INDEX webhooks_by_party ON webhooks (party, created_at, id);

-- The outbox: one row for each event and each webhook that is told, written with the event.
CREATE TABLE deliveries (
    number   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    webhook  TEXT    NOT NULL REFERENCES webhooks (id),
    event    INTEGER NOT NULL REFERENCES events (number),
    status   TEXT    NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    due_at   INTEGER NOT NULL,           -- when it is to be tried; counts while it is pending
    attempts INTEGER NOT NULL,
    failure  TEXT,                       -- why the last attempt failed
    UNIQUE (webhook, event)
) STRICT;

CREATE INDEX deliveries_by_due ON deliveries (due_at) WHERE status = 'pending';
CREATE INDEX dead_letters ON deliveries (webhook, number) WHERE status = 'dead';
