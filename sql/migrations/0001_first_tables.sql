-- The first schema. Times are text, `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, so that they compare as text.
-- Column names are those of the Python authnzerver, whose files are adopted into these tables.

CREATE TABLE roles (
    name   TEXT NOT NULL PRIMARY KEY,
    "desc" TEXT NOT NULL
) STRICT;

-- AUTOINCREMENT: the number of a deleted user is never given to somebody else.
CREATE TABLE users (
    user_id                        INTEGER PRIMARY KEY AUTOINCREMENT,
    system_id                      TEXT NOT NULL UNIQUE,
    full_name                      TEXT,
    password                       TEXT NOT NULL,
    email                          TEXT NOT NULL UNIQUE,
    email_verified                 INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
    is_active                      INTEGER NOT NULL DEFAULT 0 CHECK (is_active IN (0, 1)),
    emailverify_sent_datetime      TEXT,
    emailforgotpass_sent_datetime  TEXT,
    emailchangepass_sent_datetime  TEXT,
    last_login_success             TEXT,
    last_login_try                 TEXT,
    failed_login_tries             INTEGER DEFAULT 0,
    extra_info                     TEXT,
    created_on                     TEXT NOT NULL,
    last_updated                   TEXT NOT NULL,
    user_role                      TEXT NOT NULL REFERENCES roles (name),
    -- Set when a sign-up is told to send its verification letter, cleared when that was done.
    verification_letter_due        INTEGER NOT NULL DEFAULT 0 CHECK (verification_letter_due IN (0, 1))
) STRICT;
CREATE INDEX users_by_role ON users (user_role);

-- Tokens are kept only as SHA-256: who reads this file cannot use them.
CREATE TABLE sessions (
    token_hash      BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    ip_address      TEXT NOT NULL,
    user_agent      TEXT NOT NULL,
    user_id         INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created         TEXT NOT NULL,
    expires         TEXT NOT NULL,
    extra_info_json TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires);

CREATE TABLE apikeys (
    token_hash       BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    issued           TEXT NOT NULL,
    expires          TEXT NOT NULL,
    not_valid_before TEXT NOT NULL,
    user_id          INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    user_role        TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    session_hash     BLOB NOT NULL REFERENCES sessions (token_hash) ON DELETE CASCADE,
    -- SHA-256 of the claims as they were issued. Keys from a Python-made file have none.
    claims_hash      BLOB CHECK (claims_hash IS NULL OR length(claims_hash) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX apikeys_by_user ON apikeys (user_id);
CREATE INDEX apikeys_by_session ON apikeys (session_hash);
CREATE INDEX apikeys_by_expiry ON apikeys (expires);

CREATE TABLE apikeys_nosession (
    token_hash       BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    issued           TEXT NOT NULL,
    expires          TEXT NOT NULL,
    not_valid_before TEXT NOT NULL,
    -- SHA-256 of the refresh token; a key from a Python-made file has an Argon2 string instead, until it is used.
    refresh_hash     BLOB CHECK (refresh_hash IS NULL OR length(refresh_hash) = 32),
    refresh_argon2   TEXT,
    refresh_issued   TEXT NOT NULL,
    refresh_expires  TEXT NOT NULL,
    refresh_nbf      TEXT NOT NULL,
    user_id          INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    user_role        TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    claims_hash      BLOB CHECK (claims_hash IS NULL OR length(claims_hash) = 32),
    CHECK ((refresh_hash IS NULL) <> (refresh_argon2 IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX apikeys_nosession_by_user ON apikeys_nosession (user_id);
CREATE INDEX apikeys_nosession_by_expiry ON apikeys_nosession (expires);

-- Roles that a lock took away, in order; an unlock gives back the last one and removes it.
CREATE TABLE role_history (
    user_id  INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    role     TEXT NOT NULL,
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;

-- Locks in force. One that failed log-ins made ends by itself; one that a person made does not.
CREATE TABLE locks (
    user_id      INTEGER PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
    cause        TEXT NOT NULL CHECK (cause IN ('person', 'attempts')),
    locked_on    TEXT NOT NULL,
    locked_until TEXT,
    CHECK ((cause = 'attempts') = (locked_until IS NOT NULL))
) STRICT;
CREATE INDEX locks_by_end ON locks (locked_until) WHERE locked_until IS NOT NULL;

-- Consecutive failed password checks. The account is the SHA-256 of the folded e-mail address, known or not;
-- the network is '' where attempts are counted for the account as a whole.
CREATE TABLE attempts (
    account_hash BLOB NOT NULL CHECK (length(account_hash) = 32),
    network      TEXT NOT NULL,
    failures     INTEGER NOT NULL,
    last_try     TEXT NOT NULL,
    locked_until TEXT,
    PRIMARY KEY (account_hash, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_by_last_try ON attempts (last_try);

-- Carried over from Python-made files and kept whole; no request uses these yet.
CREATE TABLE groups (
    group_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    system_id    TEXT NOT NULL,
    group_name   TEXT NOT NULL,
    visibility   TEXT NOT NULL DEFAULT 'public',
    created_by   INTEGER NOT NULL REFERENCES users (user_id),
    is_active    INTEGER NOT NULL DEFAULT 0,
    created_on   TEXT NOT NULL,
    last_updated TEXT NOT NULL,
    group_role   TEXT NOT NULL REFERENCES roles (name),
    extra_info   TEXT
) STRICT;
CREATE TABLE user_groups (
    user_id  INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups (group_id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT;
CREATE TABLE preferences (
    pref_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    pref_name  TEXT NOT NULL,
    pref_value TEXT
) STRICT;

-- What the server remembers about itself, such as when it last proved that it can write.
CREATE TABLE server_state (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
