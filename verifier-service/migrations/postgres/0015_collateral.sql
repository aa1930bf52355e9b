-- The tables of ../sqlite/0018 on PostgreSQL: what receipts rest on beside their bundles.

CREATE TABLE collateral (
    sha256 BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(sha256) = 32),
    kind   TEXT COLLATE "C" NOT NULL CHECK (kind IN ('rim', 'ocsp')),
    bytes  BYTEA NOT NULL                -- exactly as received
);

-- What a bundle was judged by when it was granted. Judged twice, it may have two rows. Those granted before this table was
-- there have none.
CREATE TABLE grounds (
    bundle     BYTEA NOT NULL CHECK (octet_length(bundle) = 32),          -- its SHA-256
    collateral BYTEA NOT NULL CHECK (octet_length(collateral) % 32 = 0),  -- SHA-256, one after another
    PRIMARY KEY (bundle, collateral)
);

CREATE TRIGGER collateral_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON collateral EXECUTE FUNCTION never();
CREATE TRIGGER grounds_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON grounds EXECUTE FUNCTION never();
