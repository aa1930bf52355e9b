-- The audit log: who did what to policies, keys, parties, agents, jobs, money and webhooks. Written with the change it
-- records; every entry holds the digest of the one before (`audit/entry.rs` says over what).

CREATE TABLE audit (
    number       BIGINT NOT NULL PRIMARY KEY CHECK (number >= 1), -- without gaps
    at           BIGINT NOT NULL,
    actor        TEXT COLLATE "C" NOT NULL, -- what kind of actor: operator, api_key, oidc, agent, cli, service, nobody
    actor_id     TEXT COLLATE "C",
    actor_issuer TEXT COLLATE "C",
    actor_party  TEXT COLLATE "C",          -- on whose behalf it acted
    action       TEXT COLLATE "C" NOT NULL,
    object       TEXT COLLATE "C" NOT NULL, -- what kind of object
    object_id    TEXT COLLATE "C",
    party        TEXT COLLATE "C",          -- whose the object is
    request      TEXT COLLATE "C",
    trace        TEXT COLLATE "C",
    refused      TEXT COLLATE "C",          -- the code; NULL: done
    details      TEXT COLLATE "C" NOT NULL CHECK (octet_length(details) BETWEEN 2 AND 2048), -- a canonical JSON object
    previous     BYTEA NOT NULL UNIQUE CHECK (octet_length(previous) = 32),
    digest       BYTEA NOT NULL UNIQUE CHECK (octet_length(digest) = 32)
);

CREATE INDEX audit_by_object ON audit (object_id, number);
CREATE INDEX audit_by_actor ON audit (actor_id, number);
CREATE INDEX audit_by_actor_party ON audit (actor_party, number);
CREATE INDEX audit_by_party ON audit (party, number);

CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION never();

INSERT INTO locks (topic) VALUES ('audit');
