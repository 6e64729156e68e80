-- API keys that are one text to whoever carries them, each good for some actions on some kinds of items. Of a secret only
-- the SHA-256 lies here. After a rotation the secret before it is good until its overlap ends; there are never more than
-- those two.
CREATE TABLE scoped_keys (
    -- Random, and public: it stands in the key's text.
    key_id          BLOB NOT NULL PRIMARY KEY CHECK (length(key_id) = 8),
    secret_hash     BLOB NOT NULL CHECK (length(secret_hash) = 32),
    old_secret_hash BLOB CHECK (old_secret_hash IS NULL OR length(old_secret_hash) = 32),
    old_secret_ends TEXT,
    user_id         INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    user_role       TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    -- One a line: an action, a colon and a kind of item; an asterisk stands for all.
    scopes          TEXT NOT NULL,
    issued          TEXT NOT NULL,
    -- Null for a key that never expires.
    expires         TEXT,
    -- Up to a minute old, for a use is not worth a write.
    last_used       TEXT,
    CHECK ((old_secret_hash IS NULL) = (old_secret_ends IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX scoped_keys_by_user ON scoped_keys (user_id);
CREATE INDEX scoped_keys_by_expiry ON scoped_keys (expires) WHERE expires IS NOT NULL;
