-- Policies: every text that was uploaded, that came with the verifier or that its configuration named, as numbered
-- versions of a name; and which version was put in force when. The last activation counts.

CREATE TABLE policies (
    id       TEXT    NOT NULL CHECK (length(id) BETWEEN 1 AND 64),
    version  INTEGER NOT NULL CHECK (version >= 1),
    sha256   BLOB    NOT NULL CHECK (length(sha256) = 32),
    text     BLOB    NOT NULL,            -- exactly as received
    added_at INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) STRICT;

-- A receipt names its policy by digest.
CREATE INDEX policies_by_digest ON policies (sha256);

CREATE TABLE policy_activations (
    number  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    FOREIGN KEY (id, version) REFERENCES policies (id, version)
) STRICT;

-- What a receipt was granted by stays what it was.
CREATE TRIGGER policies_are_kept BEFORE DELETE ON policies
    BEGIN SELECT RAISE(ABORT, 'policies are never deleted'); END;
CREATE TRIGGER policies_are_not_changed BEFORE UPDATE ON policies
    BEGIN SELECT RAISE(ABORT, 'policies are never changed'); END;
CREATE TRIGGER policy_activations_are_kept BEFORE DELETE ON policy_activations
    BEGIN SELECT RAISE(ABORT, 'activations are never deleted'); END;
CREATE TRIGGER policy_activations_are_not_changed BEFORE UPDATE ON policy_activations
    BEGIN SELECT RAISE(ABORT, 'activations are never changed'); END;

-- Serves the question for the latest receipts.
CREATE INDEX receipts_by_time ON receipts (issued_at);
