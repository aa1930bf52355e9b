-- The tables of ../sqlite/0007 on PostgreSQL: receipts that wait for agreement, who has something to fetch, when the service
-- was last there.

-- The claims of an opening that held, without the agreement of others. A receipt is signed when the job is accepted.
CREATE TABLE drafts (
    assignment TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES assignments (id),
    claims     TEXT COLLATE "C" NOT NULL,            -- JSON
    opening    BYTEA NOT NULL CHECK (length(opening) = 32)  -- the document it was judged by
);

-- Who is to be woken, for every verifier to read; forgotten soon.
CREATE TABLE news (
    number BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job    TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    agent  TEXT COLLATE "C"                          -- NULL: whoever follows the job
);

-- When any verifier on this database was last known to answer.
CREATE TABLE alive (
    only_one BIGINT NOT NULL PRIMARY KEY CHECK (only_one = 1),
    at       BIGINT NOT NULL
);

CREATE INDEX jobs_alive ON jobs (id) WHERE due_at IS NOT NULL;
