-- Pages of everybody's jobs and receipts, which a marketplace sees.

CREATE INDEX jobs_by_time ON jobs (created_at, id);
CREATE INDEX job_receipts_by_time ON job_receipts (issued_at, receipt);
