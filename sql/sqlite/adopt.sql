-- How a file of the Python authnzerver becomes ours. Run in this order, in one transaction, with foreign keys off.

-- The last release on PyPI (0.1.3) lacks what the development after it added. The next four add one column each.
-- name: add_users_extra_info
ALTER TABLE users ADD COLUMN extra_info TEXT;

-- name: add_groups_extra_info
ALTER TABLE groups ADD COLUMN extra_info TEXT;

-- name: add_groups_system_id
ALTER TABLE groups ADD COLUMN system_id TEXT NOT NULL DEFAULT '';
UPDATE groups SET system_id = 'group-' || group_id;

-- name: add_groups_group_role
ALTER TABLE groups RENAME COLUMN user_role TO group_role;

-- name: set_aside
CREATE TABLE IF NOT EXISTS user_groups (user_id INTEGER, group_id INTEGER);
CREATE TABLE IF NOT EXISTS apikeys_nosession (
    apikey TEXT, issued TEXT, expires TEXT, not_valid_before TEXT, refresh_token TEXT, refresh_issued TEXT,
    refresh_expires TEXT, refresh_nbf TEXT, user_id INTEGER, user_role TEXT
);
ALTER TABLE roles RENAME TO python_roles;
ALTER TABLE users RENAME TO python_users;
ALTER TABLE sessions RENAME TO python_sessions;
ALTER TABLE apikeys RENAME TO python_apikeys;
ALTER TABLE apikeys_nosession RENAME TO python_apikeys_nosession;
ALTER TABLE groups RENAME TO python_groups;
ALTER TABLE user_groups RENAME TO python_user_groups;
ALTER TABLE preferences RENAME TO python_preferences;
CREATE INDEX python_users_by_folded_email ON python_users (lower(email));

-- name: copy
-- `stored_time` writes a time in the one form that compares as text; `token_hash` is SHA-256.
INSERT INTO roles (name, "desc") SELECT name, "desc" FROM python_roles;

-- The first superuser's address was stored as typed; all lookups are by folded address. Where folding would
-- make two users one, both keep what they had.
INSERT INTO users (user_id, system_id, full_name, password, email, email_verified, is_active,
                   emailverify_sent_datetime, emailforgotpass_sent_datetime, emailchangepass_sent_datetime,
                   last_login_success, last_login_try, failed_login_tries, extra_info, created_on, last_updated,
                   user_role, verification_letter_due)
SELECT user_id, system_id, full_name, password,
       CASE WHEN (SELECT count(*) FROM python_users twin WHERE lower(twin.email) = lower(u.email)) = 1
            THEN lower(email) ELSE email END,
       email_verified <> 0, is_active <> 0, stored_time(emailverify_sent_datetime),
       stored_time(emailforgotpass_sent_datetime), stored_time(emailchangepass_sent_datetime),
       stored_time(last_login_success), stored_time(last_login_try), failed_login_tries,
       CAST(extra_info AS TEXT), stored_time(created_on), stored_time(last_updated), user_role,
       email_verified = 0 AND is_active = 0 AND user_role = 'locked'
FROM python_users u ORDER BY user_id;

INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires, extra_info_json)
SELECT token_hash(session_token), ip_address, user_agent, user_id, stored_time(created), stored_time(expires),
       CAST(extra_info_json AS TEXT)
FROM python_sessions WHERE user_id IN (SELECT user_id FROM users);

INSERT INTO apikeys (token_hash, issued, expires, not_valid_before, user_id, user_role, session_hash)
SELECT token_hash(apikey), stored_time(issued), stored_time(expires), stored_time(not_valid_before), user_id,
       user_role, token_hash(session_token)
FROM python_apikeys WHERE session_token IN (SELECT session_token FROM python_sessions)
                      AND user_id IN (SELECT user_id FROM users);

INSERT INTO apikeys_nosession (token_hash, issued, expires, not_valid_before, refresh_argon2, refresh_issued,
                               refresh_expires, refresh_nbf, user_id, user_role)
SELECT token_hash(apikey), stored_time(issued), stored_time(expires), stored_time(not_valid_before), refresh_token,
       stored_time(refresh_issued), stored_time(refresh_expires), stored_time(refresh_nbf), user_id, user_role
FROM python_apikeys_nosession WHERE user_id IN (SELECT user_id FROM users);

INSERT INTO groups (group_id, system_id, group_name, visibility, created_by, is_active, created_on, last_updated,
                    group_role, extra_info)
SELECT group_id, system_id, group_name, visibility, created_by, is_active <> 0, stored_time(created_on),
       stored_time(last_updated), group_role, CAST(extra_info AS TEXT)
FROM python_groups;
INSERT INTO user_groups (user_id, group_id)
SELECT user_id, group_id FROM python_user_groups
WHERE user_id IN (SELECT user_id FROM users) AND group_id IN (SELECT group_id FROM groups);
INSERT INTO preferences (pref_id, user_id, pref_name, pref_value)
SELECT pref_id, user_id, pref_name, pref_value FROM python_preferences
WHERE user_id IN (SELECT user_id FROM users);

-- The roles that locks took away stood in a note that whoever signed somebody up could write, and that a lock began
-- with 'locked' and then added to. So it is believed of accounts alone that were verified, where a lock came after the
-- sign-up, and of those only the last entry, which the lock in force has added: the role that the account had then.
WITH noted AS (
    SELECT user_id, json_extract(extra_info, '$.previous_user_roles') AS roles
    FROM users
    WHERE user_role = 'locked' AND is_active = 0 AND email_verified = 1 AND user_id NOT IN (2, 3)
      AND CASE WHEN json_valid(extra_info)
               THEN json_type(extra_info, '$.previous_user_roles') = 'array' ELSE 0 END
)
INSERT INTO role_history (user_id, position, role)
SELECT user_id, 1, json_extract(roles, '$[#-1]') FROM noted
WHERE json_extract(roles, '$[0]') = 'locked' AND json_type(roles, '$[#-1]') = 'text'
  AND json_extract(roles, '$[#-1]') <> 'locked' AND json_extract(roles, '$[#-1]') IN (SELECT name FROM main.roles);

-- A locked account that was verified once, or whose notes speak of a lock, was locked on purpose; the original
-- forgets at each restart which of its locks were to end, so all of them last until a person lifts them.
INSERT INTO locks (user_id, cause, locked_on, locked_until)
SELECT user_id, 'person', last_updated, NULL FROM users
WHERE user_role = 'locked' AND is_active = 0 AND user_id NOT IN (2, 3)
  AND (email_verified = 1
       OR CASE WHEN json_valid(extra_info)
               THEN json_extract(extra_info, '$.previous_user_roles[0]') IS 'locked' ELSE 0 END);

-- name: drop_originals
DROP TABLE python_preferences;
DROP TABLE python_user_groups;
DROP TABLE python_groups;
DROP TABLE python_apikeys_nosession;
DROP TABLE python_apikeys;
DROP TABLE python_sessions;
DROP TABLE python_users;
DROP TABLE python_roles;
