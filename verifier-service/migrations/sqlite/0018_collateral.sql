-- What receipts rest on beside their bundles: manifests and answers about revocation, each once, by SHA-256.

CREATE TABLE collateral (
    sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    kind   TEXT NOT NULL CHECK (kind IN ('rim', 'ocsp')),
    bytes  BLOB NOT NULL                 -- exactly as received
) STRICT;

-- What a bundle was judged by when it was granted. Judged twice, it may have two rows. Those granted before this table was
-- there have none.
CREATE TABLE grounds (
    bundle     BLOB NOT NULL CHECK (length(bundle) = 32),            -- its SHA-256
    collateral BLOB NOT NULL CHECK (length(collateral) % 32 = 0),    -- SHA-256, one after another
    PRIMARY KEY (bundle, collateral)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER collateral_is_kept BEFORE DELETE ON collateral
    BEGIN SELECT RAISE(ABORT, 'collateral is never deleted'); END;
CREATE TRIGGER collateral_is_not_changed BEFORE UPDATE ON collateral
    BEGIN SELECT RAISE(ABORT, 'collateral is never changed'); END;
CREATE TRIGGER grounds_are_kept BEFORE DELETE ON grounds
    BEGIN SELECT RAISE(ABORT, 'grounds are never deleted'); END;
CREATE TRIGGER grounds_are_not_changed BEFORE UPDATE ON grounds
    BEGIN SELECT RAISE(ABORT, 'grounds are never changed'); END;
