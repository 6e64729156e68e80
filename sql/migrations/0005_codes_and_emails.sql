-- Codes that were emailed, only as SHA-256 of their purpose and their text. A newer one replaces an older one.
CREATE TABLE codes (
    code_hash BLOB NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    purpose   TEXT NOT NULL CHECK (purpose IN ('signup', 'reset')),
    user_id   INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    expires   TEXT NOT NULL,
    UNIQUE (user_id, purpose)
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_by_end ON codes (expires);

-- Emails that the server sends by itself. One for nobody is dropped: it was written so that asking for one for an
-- unknown address is the same work. One that is done has no contents any more; it is kept for a day, because so many a
-- day are sent. No code lies here: it is made when the email is sent.
CREATE TABLE email_queue (
    email_id   INTEGER PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('signup', 'account-exists', 'reset')),
    user_id    INTEGER REFERENCES users (user_id) ON DELETE CASCADE,
    site       TEXT NOT NULL,
    page       TEXT NOT NULL,
    browser    TEXT NOT NULL,
    ip_address TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'done', 'dead')),
    tries      INTEGER NOT NULL,
    next_try   TEXT NOT NULL,
    created    TEXT NOT NULL
) STRICT;
CREATE INDEX email_queue_by_user ON email_queue (user_id, purpose, created);
CREATE INDEX email_queue_by_next_try ON email_queue (next_try) WHERE state IN ('waiting', 'sending');
CREATE INDEX email_queue_by_age ON email_queue (created) WHERE state IN ('done', 'dead');
