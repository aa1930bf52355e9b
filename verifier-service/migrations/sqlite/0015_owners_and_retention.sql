-- Who is offered work: owners whose agents left others waiting, owners that are barred, what agents have to work with, and
-- how much work a good result was. And what is forgotten of jobs that ended.

ALTER TABLE parties ADD COLUMN barred_at INTEGER;          -- since when nothing is offered to its agents; NULL: it is

-- Owners whose agents left others waiting lately: steps, and when the last one was made.
CREATE TABLE misses (
    owner TEXT    NOT NULL PRIMARY KEY REFERENCES parties (id),
    steps INTEGER NOT NULL CHECK (steps >= 1),
    at    INTEGER NOT NULL
) STRICT;

-- The devices it says it has, in short: the same text for agents that can be offered the same.
ALTER TABLE agents ADD COLUMN shape TEXT NOT NULL DEFAULT '';

-- Of what was good before nobody knows how much work it was: it counts towards the smallest jobs.
CREATE TABLE records_by_size (
    agent    TEXT    NOT NULL REFERENCES agents (id),
    workload TEXT    NOT NULL,
    size     INTEGER NOT NULL CHECK (size >= 0),
    good     INTEGER NOT NULL CHECK (good >= 0),  -- good results of this size since the last bad one of any
    PRIMARY KEY (agent, workload, size)
) STRICT;
INSERT INTO records_by_size SELECT agent, workload, 0, good FROM records;
DROP TABLE records;
ALTER TABLE records_by_size RENAME TO records;

-- Openings and answers, by job: two jobs may be answered with the same bytes.
CREATE TABLE documents_by_job (
    job    TEXT NOT NULL REFERENCES jobs (id),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    bytes  BLOB NOT NULL,
    PRIMARY KEY (job, sha256)
) STRICT;
INSERT INTO documents_by_job SELECT job, sha256, bytes FROM documents;
DROP TABLE documents;
ALTER TABLE documents_by_job RENAME TO documents;

-- When a job ended whose openings and answers are still kept; NULL: it goes on, or they are forgotten.
ALTER TABLE jobs ADD COLUMN unswept_since INTEGER;
UPDATE jobs SET unswept_since = coalesce((SELECT max(at) FROM events WHERE events.job = jobs.id), created_at)
    WHERE status IN ('settled', 'failed', 'cancelled');
CREATE INDEX jobs_unswept ON jobs (unswept_since) WHERE unswept_since IS NOT NULL;
