-- The table of ../sqlite/0010 on PostgreSQL: what parties gained and lost on each day.
CREATE TABLE days (
    account  TEXT COLLATE "C" NOT NULL,
    day      BIGINT NOT NULL,           -- since 1970, UTC
    currency TEXT COLLATE "C" NOT NULL,
    amount   BIGINT NOT NULL,
    PRIMARY KEY (account, day, currency)
);

CREATE FUNCTION add_to_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO days (account, day, currency, amount)
    SELECT NEW.account, NEW.at / 86400, currency, NEW.amount FROM transfers WHERE number = NEW.transfer
    ON CONFLICT (account, day, currency) DO UPDATE SET amount = days.amount + excluded.amount;
    RETURN NULL;
END $$;

-- Before the days so far are summed up: from here on nobody else writes postings until this is committed.
CREATE TRIGGER postings_make_days AFTER INSERT ON postings FOR EACH ROW
    WHEN (NEW.account LIKE 'party/%') EXECUTE FUNCTION add_to_day();

INSERT INTO days (account, day, currency, amount)
SELECT account, postings.at / 86400, currency, sum(amount)
FROM postings JOIN transfers ON transfers.number = postings.transfer
WHERE account LIKE 'party/%' GROUP BY account, postings.at / 86400, currency;
