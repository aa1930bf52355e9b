-- How many jobs of a tenant are open, and which of them wait for agents.

-- Counts what a tenant has open: jobs whose results are not accepted.
CREATE INDEX jobs_open_by_tenant ON jobs (tenant) WHERE status IN ('open', 'opening', 'disputed');

-- In which search agents were last looked for, for a job that lacks some: 0 if they are to be looked for at once. NULL: it
-- lacks none.
ALTER TABLE jobs ADD COLUMN sought INTEGER;

UPDATE jobs SET sought = 0 WHERE status = 'open';

-- Finds the jobs of one tenant that were looked after longest ago, and the latest search of all.
CREATE INDEX jobs_sought_by_tenant ON jobs (tenant, sought, created_at, id) WHERE sought IS NOT NULL;
CREATE INDEX jobs_sought ON jobs (sought) WHERE sought IS NOT NULL;

-- Of an agent, what it is at work on, and what it may be asked about; without what is accepted and waits for its payment.
CREATE INDEX assignments_at_work ON assignments (agent)
    WHERE is_open = 1 AND status IN ('offered', 'leased', 'committed', 'opening', 'opened');
CREATE INDEX assignments_askable ON assignments (agent)
    WHERE is_open = 1 AND status IN ('offered', 'opening', 'judged');
