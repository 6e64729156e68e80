-- Codes for changes of the address, for undoing them, and for logins. Of a change there is one code, for the address that
-- is to be the account's; an address that was the account's gives it back, and each such address has a code of its own.
CREATE TABLE codes_of_all_purposes (
    code_hash BLOB NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    purpose   TEXT NOT NULL CHECK (purpose IN ('signup', 'reset', 'login', 'email-change', 'email-undo')),
    user_id   INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    -- The address that the code gives to the account; '' where it gives none.
    address   TEXT NOT NULL DEFAULT '',
    expires   TEXT NOT NULL,
    UNIQUE (user_id, purpose, address)
) STRICT, WITHOUT ROWID;
INSERT INTO codes_of_all_purposes SELECT code_hash, purpose, user_id, '', expires FROM codes;
DROP TABLE codes;
ALTER TABLE codes_of_all_purposes RENAME TO codes;
CREATE INDEX codes_by_end ON codes (expires);

CREATE TABLE emails_of_all_purposes (
    email_id   INTEGER PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('signup', 'account-exists', 'reset', 'login', 'email-change', 'email-undo',
                                                'email-taken')),
    user_id    INTEGER REFERENCES users (user_id) ON DELETE CASCADE,
    -- Where it goes; '' for the address that the account has.
    address    TEXT NOT NULL DEFAULT '',
    site       TEXT NOT NULL,
    page       TEXT NOT NULL,
    browser    TEXT NOT NULL,
    ip_address TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'done', 'dead')),
    tries      INTEGER NOT NULL,
    next_try   TEXT NOT NULL,
    created    TEXT NOT NULL
) STRICT;
INSERT INTO emails_of_all_purposes
SELECT email_id, purpose, user_id, '', site, page, browser, ip_address, state, tries, next_try, created FROM email_queue;
DROP TABLE email_queue;
ALTER TABLE emails_of_all_purposes RENAME TO email_queue;
CREATE INDEX email_queue_by_user ON email_queue (user_id, purpose, created);
CREATE INDEX email_queue_by_next_try ON email_queue (next_try) WHERE state IN ('waiting', 'sending');
CREATE INDEX email_queue_by_age ON email_queue (created) WHERE state IN ('done', 'dead');
