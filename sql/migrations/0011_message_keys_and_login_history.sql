-- The keys of messages that the server has taken up, by fingerprint and never by what they are: so that a change of them is
-- noticed, and a key that nobody uses any more is seen.
CREATE TABLE message_keys (
    fingerprint BLOB NOT NULL PRIMARY KEY CHECK (length(fingerprint) = 8),
    name        TEXT,
    -- All that it may ask, with commas between; null for everything.
    requests    TEXT,
    -- Up to a minute old, for a use is not worth a write.
    last_used   TEXT
) STRICT, WITHOUT ROWID;

-- What a user's own login history shows, however much else has happened to the account. The statement that lists it names the
-- same kinds in the same words, or this is not used.
CREATE INDEX events_of_logins ON events (user_id, seq) WHERE kind IN (
    'login.succeeded', 'login.failed', 'code.failed', 'password.changed', 'password.reset', 'password.removed',
    'account.suspended', 'account.unlocked');
