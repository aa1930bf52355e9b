-- The changes of ../sqlite/0009 on PostgreSQL: what a webhook is told, by which secrets, and until when; which job a
-- delivery is about, so that those of one job keep their order.

ALTER TABLE webhooks ADD COLUMN kinds TEXT COLLATE "C";    -- words with a space between them; NULL: every kind
ALTER TABLE webhooks ADD COLUMN former_secret BYTEA;       -- signs too, until
ALTER TABLE webhooks ADD COLUMN former_until BIGINT;
ALTER TABLE webhooks ADD COLUMN disabled_at BIGINT;        -- since when its receiver is gone (410); NULL: it is told

ALTER TABLE deliveries ADD COLUMN job TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE deliveries SET job = (SELECT job FROM events WHERE events.number = event);

CREATE INDEX deliveries_in_order ON deliveries (webhook, job, number) WHERE status = 'pending';

-- What a party has in escrow is looked for in the jobs that have not ended.
CREATE INDEX jobs_alive_by_tenant ON jobs (tenant) WHERE due_at IS NOT NULL;
-- And what it has at stake, in the assignments of its agents, those removed included.
CREATE INDEX agents_ever_of_owner ON agents (owner);
