-- The changes of ../sqlite/0015 on PostgreSQL: who is offered work, how much work a good result was, and what is forgotten
-- of jobs that ended.

ALTER TABLE parties ADD COLUMN barred_at BIGINT;           -- since when nothing is offered to its agents; NULL: it is

-- Owners whose agents left others waiting lately: steps, and when the last one was made.
CREATE TABLE misses (
    owner TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES parties (id),
    steps BIGINT NOT NULL CHECK (steps >= 1),
    at    BIGINT NOT NULL
);

-- The devices it says it has, in short: the same text for agents that can be offered the same.
ALTER TABLE agents ADD COLUMN shape TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Of what was good before nobody knows how much work it was: it counts towards the smallest jobs.
ALTER TABLE records ADD COLUMN size BIGINT NOT NULL DEFAULT 0 CHECK (size >= 0);
ALTER TABLE records ALTER COLUMN size DROP DEFAULT;
ALTER TABLE records DROP CONSTRAINT records_pkey;
ALTER TABLE records ADD PRIMARY KEY (agent, workload, size);

-- Openings and answers, by job: two jobs may be answered with the same bytes.
ALTER TABLE documents DROP CONSTRAINT documents_pkey;
ALTER TABLE documents ADD PRIMARY KEY (job, sha256);

-- When a job ended whose openings and answers are still kept; NULL: it goes on, or they are forgotten.
ALTER TABLE jobs ADD COLUMN unswept_since BIGINT;
UPDATE jobs SET unswept_since = coalesce((SELECT max(at) FROM events WHERE events.job = jobs.id), created_at)
    WHERE status IN ('settled', 'failed', 'cancelled');
CREATE INDEX jobs_unswept ON jobs (unswept_since) WHERE unswept_since IS NOT NULL;
