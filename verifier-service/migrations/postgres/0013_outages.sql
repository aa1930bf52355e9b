-- The changes of ../sqlite/0016 on PostgreSQL: when nobody could reach any verifier.

CREATE TABLE outages (
    since BIGINT NOT NULL PRIMARY KEY,             -- when a verifier was last known to answer
    until BIGINT NOT NULL CHECK (until > since)    -- from when on one did again
);

CREATE INDEX outages_by_end ON outages (until);

-- It was for going over all jobs after an outage.
DROP INDEX jobs_alive;

-- Jobs are attended to in turns by tenant, those whose openings are judged apart from all others: by when they are due,
-- to see who has any, and those of each tenant.
DROP INDEX jobs_by_due;
CREATE INDEX openings_by_due ON jobs (due_at, tenant) WHERE status = 'opening' AND due_at IS NOT NULL;
CREATE INDEX openings_of_tenant ON jobs (tenant, due_at) WHERE status = 'opening' AND due_at IS NOT NULL;
CREATE INDEX others_by_due ON jobs (due_at, tenant) WHERE status <> 'opening' AND due_at IS NOT NULL;
CREATE INDEX others_of_tenant ON jobs (tenant, due_at) WHERE status <> 'opening' AND due_at IS NOT NULL;
