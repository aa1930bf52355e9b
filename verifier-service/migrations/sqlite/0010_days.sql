-- What parties gained and lost on each day, so that what one had at the beginning of a period is the sum of its days and of
-- a part of one, however long its journal is. Kept by the database itself, so that a verifier that does not know of it yet
-- keeps it too.
CREATE TABLE days (
    account  TEXT    NOT NULL,
    day      INTEGER NOT NULL,          -- since 1970, UTC
    currency TEXT    NOT NULL,
    amount   INTEGER NOT NULL,
    PRIMARY KEY (account, day, currency)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER postings_make_days AFTER INSERT ON postings WHEN NEW.account LIKE 'party/%'
BEGIN
    INSERT INTO days (account, day, currency, amount)
    SELECT NEW.account, NEW.at / 86400, currency, NEW.amount FROM transfers WHERE number = NEW.transfer
    ON CONFLICT (account, day, currency) DO UPDATE SET amount = days.amount + excluded.amount;
END;

INSERT INTO days (account, day, currency, amount)
SELECT account, postings.at / 86400, currency, sum(amount)
FROM postings JOIN transfers ON transfers.number = postings.transfer
WHERE account LIKE 'party/%' GROUP BY account, postings.at / 86400, currency;
