-- What drives jobs: receipts that wait for agreement, who has something to fetch, when the service was last there.

-- The claims of an opening that held, without the agreement of others. A receipt is signed when the job is accepted.
CREATE TABLE drafts (
    assignment TEXT NOT NULL PRIMARY KEY REFERENCES assignments (id),
    claims     TEXT NOT NULL,            -- JSON
    opening    BLOB NOT NULL CHECK (length(opening) = 32)  -- the document it was judged by
) STRICT;

-- Who is to be woken, for every verifier to read; forgotten soon.
CREATE TABLE news (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    job    TEXT    NOT NULL REFERENCES jobs (id),
    agent  TEXT                          -- NULL: whoever follows the job
) STRICT;

-- When any verifier on this database was last known to answer.
CREATE TABLE alive (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    at       INTEGER NOT NULL
) STRICT;

CREATE INDEX jobs_alive ON jobs (id) WHERE due_at IS NOT NULL;
