-- The tables of ../sqlite/0006 on PostgreSQL: what is to be run, who runs it, who owes whom, who is told.
--
-- Times are seconds since 1970; digests and keys are raw bytes; money is minor units of one currency.

-- The body is the whole job with its assignments, and holds secrets; the columns beside it are for finding it.
CREATE TABLE jobs (
    id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    tenant             TEXT COLLATE "C" NOT NULL REFERENCES parties (id),
    digest             BYTEA NOT NULL CHECK (length(digest) = 32),
    status             TEXT COLLATE "C" NOT NULL,
    created_at         BIGINT NOT NULL,
    due_at             BIGINT,          -- when it is to be looked at; NULL: never again
    body               TEXT COLLATE "C" NOT NULL,
    idempotency_key    TEXT COLLATE "C",             -- of the request that made it, if it had one
    idempotency_sha256 BYTEA              -- SHA-256 of that request
);

CREATE INDEX jobs_by_tenant ON jobs (tenant, created_at, id);
CREATE INDEX jobs_by_due ON jobs (due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE assignments (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    job        TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    agent      TEXT COLLATE "C" NOT NULL REFERENCES agents (id),
    status     TEXT COLLATE "C" NOT NULL,
    offered_at BIGINT NOT NULL,
    is_open    BIGINT NOT NULL CHECK (is_open IN (0, 1))  -- 1: something may still be asked of the agent
);

CREATE INDEX assignments_by_job ON assignments (job);
CREATE INDEX assignments_of_agent ON assignments (agent, offered_at, id) WHERE is_open = 1;

CREATE TABLE assignment_challenges (
    value      BYTEA NOT NULL PRIMARY KEY CHECK (length(value) = 32),  -- answered, and never to be answered again
    job        TEXT COLLATE "C" NOT NULL REFERENCES jobs (id)
);

-- Openings and answers to the referee, exactly as received, by digest; the job says what each is.
CREATE TABLE documents (
    sha256 BYTEA NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    job    TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    bytes  BYTEA NOT NULL
);

-- Receipts that came of jobs, and whether they still hold.
CREATE TABLE job_receipts (
    receipt    TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES receipts (id),
    assignment TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES assignments (id),
    job        TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    tenant     TEXT COLLATE "C" NOT NULL REFERENCES parties (id),
    issued_at  BIGINT NOT NULL,
    revoked_at BIGINT                   -- NULL: it holds
);

CREATE INDEX job_receipts_by_tenant ON job_receipts (tenant, issued_at, receipt);
CREATE INDEX job_receipts_by_job ON job_receipts (job);

CREATE TABLE records (
    agent    TEXT COLLATE "C" NOT NULL REFERENCES agents (id),
    workload TEXT COLLATE "C" NOT NULL,
    good     BIGINT NOT NULL CHECK (good >= 0),  -- good results since the last bad one
    PRIMARY KEY (agent, workload)
);

CREATE TABLE accounts (
    name     TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL CHECK (length(currency) = 3),
    balance  BIGINT NOT NULL CHECK (balance >= 0 OR substr(name, 1, 8) = 'outside/'),
    PRIMARY KEY (name, currency)
);

-- The journal. Each transfer moves money once: a second with its kind and key is refused.
CREATE TABLE transfers (
    number     BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind       TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL,
    currency   TEXT COLLATE "C" NOT NULL,
    job        TEXT COLLATE "C",
    assignment TEXT COLLATE "C",
    UNIQUE (kind, key)
);

-- What accounts gained and lost; the amounts of one transfer sum to zero.
CREATE TABLE postings (
    transfer BIGINT NOT NULL REFERENCES transfers (number),
    account  TEXT COLLATE "C" NOT NULL,
    amount   BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (transfer, account)
);

CREATE INDEX postings_by_account ON postings (account, at, transfer);

CREATE TRIGGER transfers_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers EXECUTE FUNCTION never();
CREATE TRIGGER postings_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON postings EXECUTE FUNCTION never();

-- The history of all jobs.
CREATE TABLE events (
    number BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job    TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    at     BIGINT NOT NULL,
    kind   TEXT COLLATE "C" NOT NULL,
    body   TEXT COLLATE "C" NOT NULL              -- the event, JSON
);

CREATE INDEX events_by_job ON events (job, number);

CREATE TABLE webhooks (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    party      TEXT COLLATE "C" NOT NULL REFERENCES parties (id),
    url        TEXT COLLATE "C" NOT NULL,
    secret     BYTEA NOT NULL,         -- signs what is sent
    created_at BIGINT NOT NULL,
    removed_at BIGINT                   -- NULL: it is told
);

CREATE INDEX webhooks_by_party ON webhooks (party, created_at, id);

-- The outbox: one row for each event and each webhook that is told, written with the event.
CREATE TABLE deliveries (
    number   BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    webhook  TEXT COLLATE "C" NOT NULL REFERENCES webhooks (id),
    event    BIGINT NOT NULL REFERENCES events (number),
    status   TEXT COLLATE "C" NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    due_at   BIGINT NOT NULL,           -- when it is to be tried; counts while it is pending
    attempts BIGINT NOT NULL,
    failure  TEXT COLLATE "C",                       -- why the last attempt failed
    UNIQUE (webhook, event)
);

CREATE INDEX deliveries_by_due ON deliveries (due_at) WHERE status = 'pending';
CREATE INDEX dead_letters ON deliveries (webhook, number) WHERE status = 'dead';
