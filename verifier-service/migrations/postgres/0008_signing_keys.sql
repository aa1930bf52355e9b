-- The public halves of the keys that sign receipts, and when each may. Private halves never come here.

CREATE TABLE signing_keys (
    kid TEXT COLLATE "C" PRIMARY KEY,    -- RFC 7638 thumbprint, base64url
    jwks TEXT NOT NULL,                  -- a key set (RFC 7517) of this one key
    added_at BIGINT NOT NULL,
    usable_from BIGINT,                  -- NULL: no running verifier has published it yet
    retired_at BIGINT,                   -- the first second in which it signs no more
    leaked_at BIGINT,                    -- since when its receipts count for nothing
    receipts_live_s BIGINT               -- longest life of a receipt of it; NULL: some have no end
);

INSERT INTO locks (topic) VALUES ('signing_keys');
