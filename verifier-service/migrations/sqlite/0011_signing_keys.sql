-- The public halves of the keys that sign receipts, and when each may. Private halves never come here.

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY NOT NULL,       -- RFC 7638 thumbprint, base64url
    jwks TEXT NOT NULL,                  -- a key set (RFC 7517) of this one key
    added_at INTEGER NOT NULL,
    usable_from INTEGER,                 -- NULL: no running verifier has published it yet
    retired_at INTEGER,                  -- the first second in which it signs no more
    leaked_at INTEGER,                   -- since when its receipts count for nothing
    receipts_live_s INTEGER              -- longest life of a receipt of it; NULL: some have no end
) STRICT;

INSERT INTO locks (topic) VALUES ('signing_keys');
