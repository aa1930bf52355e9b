-- What only one transaction may write at a time, over all verifiers on this database: a row that is locked first.
CREATE TABLE locks (
    topic TEXT NOT NULL PRIMARY KEY
) STRICT;

INSERT INTO locks (topic) VALUES ('policies');

-- Serves the question for the latest receipts, and pages of them.
DROP INDEX receipts_by_time;
CREATE INDEX receipts_by_time ON receipts (issued_at, id);
