-- The audit log: who did what to policies, keys, parties, agents, jobs, money and webhooks. Written with the change it
-- records; every entry holds the digest of the one before (`audit/entry.rs` says over what).

CREATE TABLE audit (
    number       INTEGER NOT NULL PRIMARY KEY CHECK (number >= 1), -- without gaps
    at           INTEGER NOT NULL,
    actor        TEXT    NOT NULL,        -- what kind of actor: operator, api_key, oidc, agent, cli, service, nobody
    actor_id     TEXT,
    actor_issuer TEXT,
    actor_party  TEXT,                    -- on whose behalf it acted
    action       TEXT    NOT NULL,
    object       TEXT    NOT NULL,        -- what kind of object
    object_id    TEXT,
    party        TEXT,                    -- whose the object is
    request      TEXT,
    trace        TEXT,
    refused      TEXT,                    -- the code; NULL: done
    details      TEXT    NOT NULL CHECK (length(details) BETWEEN 2 AND 2048), -- a canonical JSON object
    previous     BLOB    NOT NULL UNIQUE CHECK (length(previous) = 32),
    digest       BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32)
) STRICT;

CREATE INDEX audit_by_object ON audit (object_id, number);
CREATE INDEX audit_by_actor ON audit (actor_id, number);
CREATE INDEX audit_by_actor_party ON audit (actor_party, number);
CREATE INDEX audit_by_party ON audit (party, number);

CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;

INSERT INTO locks (topic) VALUES ('audit');
