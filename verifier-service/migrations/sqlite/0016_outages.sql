-- When nobody could reach any verifier. A job is excused by what it does not know of yet when it is loaded, so that
-- coming back costs the same however many jobs there are.

CREATE TABLE outages (
    since INTEGER NOT NULL PRIMARY KEY,            -- when a verifier was last known to answer
    until INTEGER NOT NULL CHECK (until > since)   -- from when on one did again
) STRICT;

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
