-- How a database of the Python authnzerver becomes ours: its tables move into a schema of their own, `of_python` here, which stays;
-- then ours are made and filled. Run in this order, in one transaction. `:time` is the form of a time; `:notes` is what an account
-- has in extra_info, without the escapes that PostgreSQL cannot read.

-- name: is_python
SELECT count(DISTINCT relname) = 6
 AND (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('users') AND NOT attisdropped AND attname IN (
 'system_id', 'emailverify_sent_datetime', 'emailforgotpass_sent_datetime', 'failed_login_tries')) = 4
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
 AND relname IN ('roles', 'users', 'sessions', 'apikeys', 'groups', 'preferences');

-- name: unexpected
-- The first of what it does not make, or makes otherwise. What came after the release 0.1.3 may be missing.
WITH expected AS (
 SELECT tab, split_part(col, ':', 1) AS col, split_part(col, ':', 2) AS kind, col LIKE '%?' AS is_late FROM (VALUES
 ('roles', 'name:t desc:t'),
 ('users', 'user_id:i system_id:t full_name:t password:t email:t email_verified:b is_active:b '
 'emailverify_sent_datetime:d emailforgotpass_sent_datetime:d emailchangepass_sent_datetime:d '
 'last_login_success:d last_login_try:d failed_login_tries:i extra_info:j:? created_on:d last_updated:d user_role:t'),
 ('sessions', 'session_token:t ip_address:t user_agent:t user_id:i created:d expires:d extra_info_json:j'),
 ('apikeys', 'apikey:t issued:d expires:d not_valid_before:d user_id:i user_role:t session_token:t'),
 ('apikeys_nosession', 'apikey:t issued:d expires:d not_valid_before:d refresh_token:t refresh_issued:d '
 'refresh_expires:d refresh_nbf:d user_id:i user_role:t'),
 ('groups', 'group_id:i system_id:t:? group_name:t visibility:t created_by:i is_active:b created_on:d last_updated:d '
 'group_role:t:? user_role:t:? extra_info:j:?'),
 ('user_groups', 'user_id:i group_id:i'),
 ('preferences', 'pref_id:i user_id:i pref_name:t pref_value:t')
 ) tables (tab, cols), string_to_table(cols, ' ') col
), found AS (
 SELECT c.oid, c.relname AS tab, a.attname AS col,
 CASE format_type(a.atttypid, NULL) WHEN 'integer' THEN 'i' WHEN 'bigint' THEN 'i' WHEN 'text' THEN 't'
 WHEN 'character varying' THEN 't' WHEN 'boolean' THEN 'b' WHEN 'timestamp without time zone' THEN 'd'
 WHEN 'json' THEN 'j' WHEN 'jsonb' THEN 'j' END AS kind
 FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
)
SELECT what FROM (
 SELECT 1 AS place, 'it does not make ' || tab AS what FROM found WHERE tab NOT IN (SELECT tab FROM expected)
 UNION ALL
 SELECT 2, 'it does not make the column ' || tab || '.' || col || ' like this' FROM found f
 WHERE tab IN (SELECT tab FROM expected)
 AND NOT EXISTS (SELECT 1 FROM expected e WHERE (e.tab, e.col, e.kind) = (f.tab, f.col, f.kind))
 UNION ALL
 SELECT 3, 'the column ' || tab || '.' || col || ' is missing' FROM expected e
 WHERE NOT is_late AND tab IN (SELECT tab FROM found)
 AND NOT EXISTS (SELECT 1 FROM found f WHERE (e.tab, e.col) = (f.tab, f.col))
 UNION ALL
 SELECT 4, 'the table ' || conrelid::regclass || ' refers to ' || confrelid::regclass FROM pg_constraint
 WHERE contype = 'f' AND confrelid IN (SELECT oid FROM found) AND conrelid NOT IN (SELECT oid FROM found)
 UNION ALL
 SELECT 5, ev_class::regclass || ' reads ' || refobjid::regclass FROM pg_depend JOIN pg_rewrite r ON r.oid = objid
 WHERE classid = 'pg_rewrite'::regclass AND refobjid IN (SELECT oid FROM found) AND ev_class <> refobjid
 UNION ALL
 SELECT 6, 'the trigger ' || tgname || ' acts on ' || tgrelid::regclass FROM pg_trigger
 WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM found)
) all_of_it ORDER BY place, what LIMIT 1;

-- name: name
-- Of the schema in which everything is kept: by the time, and by what no other start has.
SELECT 'python_authnzerver_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD_HH24MISS') || '_' || pg_current_xact_id();

-- name: set_aside
SET LOCAL enable_seqscan = on;
CREATE SCHEMA of_python;
DO $$
DECLARE tab TEXT;
BEGIN
 FOR tab IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' LOOP
 EXECUTE format('ALTER TABLE %I SET SCHEMA of_python', tab);
 END LOOP;
END $$;
ALTER TABLE of_python.users ADD COLUMN IF NOT EXISTS extra_info JSON;
ALTER TABLE of_python.groups ADD COLUMN IF NOT EXISTS extra_info JSON, ADD COLUMN IF NOT EXISTS system_id TEXT,
 ADD COLUMN IF NOT EXISTS group_role TEXT;
CREATE TABLE IF NOT EXISTS of_python.user_groups (user_id BIGINT, group_id BIGINT);
CREATE TABLE IF NOT EXISTS of_python.apikeys_nosession (
 apikey TEXT, issued TIMESTAMP, expires TIMESTAMP, not_valid_before TIMESTAMP, refresh_token TEXT, refresh_issued TIMESTAMP,
 refresh_expires TIMESTAMP, refresh_nbf TIMESTAMP, user_id BIGINT, user_role TEXT
);
DO $$
DECLARE col RECORD; is_out BOOLEAN;
BEGIN
 IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = 'of_python.groups'::regclass AND attname = 'user_role') THEN
 UPDATE of_python.groups SET group_role = user_role;
 END IF;
 -- No text here can have a time of which the year has not four digits.
 FOR col IN SELECT attrelid::regclass AS tab, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE relnamespace = 'of_python'::regnamespace AND relkind = 'r' AND atttypid = 'timestamp'::regtype LOOP
 EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s WHERE %I NOT BETWEEN ''0001-01-01'' AND ''9999-12-31 23:59:59.999999'')',
 col.tab, col.attname) INTO is_out;
 IF is_out THEN
 RAISE EXCEPTION USING ERRCODE = '22008';
 END IF;
 END LOOP;
END $$;

-- name: copy
-- What a token is stored as: its SHA-256, in which a locality takes the place of the first bytes, if it has one.
CREATE FUNCTION of_python.token_hash(token text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
 SELECT CASE WHEN token COLLATE "C" ~ '^[A-Za-z0-9_-]{42}[BFJNRVZdhlptx159]$'
 THEN substr(decode(translate(left(token, 4), '-_', '+/'), 'base64'), 1, 2) || substr(hash, 3) ELSE hash END
 FROM sha256(convert_to(token, 'UTF8')) AS hash
$$;

INSERT INTO roles (name, "desc") SELECT name, "desc" FROM of_python.roles;

INSERT INTO users (user_id, system_id, full_name, password, email, email_verified, is_active,
 emailverify_sent_datetime, emailforgotpass_sent_datetime, emailchangepass_sent_datetime,
 last_login_success, last_login_try, failed_login_tries, extra_info, created_on, last_updated,
 user_role, verification_letter_due)
SELECT user_id, system_id, full_name, password,
 CASE WHEN count(*) OVER (PARTITION BY lower(email COLLATE "C")) = 1 THEN lower(email COLLATE "C") ELSE email END,
 email_verified::int, is_active::int, to_char(emailverify_sent_datetime, :time),
 to_char(emailforgotpass_sent_datetime, :time), to_char(emailchangepass_sent_datetime, :time),
 to_char(last_login_success, :time), to_char(last_login_try, :time), failed_login_tries, extra_info::text,
 to_char(created_on, :time), to_char(last_updated, :time), user_role,
 (NOT email_verified AND NOT is_active AND user_role = 'locked')::int
FROM of_python.users;

INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires, extra_info_json)
SELECT of_python.token_hash(session_token), ip_address, user_agent, user_id, to_char(created, :time),
 to_char(expires, :time), extra_info_json::text
FROM of_python.sessions;

INSERT INTO apikeys (token_hash, issued, expires, not_valid_before, user_id, user_role, session_hash)
SELECT of_python.token_hash(apikey), to_char(issued, :time), to_char(expires, :time), to_char(not_valid_before, :time),
 user_id, user_role, of_python.token_hash(session_token)
FROM of_python.apikeys;

INSERT INTO apikeys_nosession (token_hash, issued, expires, not_valid_before, refresh_argon2, refresh_issued,
 refresh_expires, refresh_nbf, user_id, user_role)
SELECT of_python.token_hash(apikey), to_char(issued, :time), to_char(expires, :time), to_char(not_valid_before, :time),
 refresh_token, to_char(refresh_issued, :time), to_char(refresh_expires, :time), to_char(refresh_nbf, :time), user_id,
 user_role
FROM of_python.apikeys_nosession;

INSERT INTO groups (group_id, system_id, group_name, visibility, created_by, is_active, created_on, last_updated,
 group_role, extra_info)
SELECT group_id, coalesce(system_id, 'group-' || group_id), group_name, visibility, created_by, is_active::int,
 to_char(created_on, :time), to_char(last_updated, :time), group_role, extra_info::text
FROM of_python.groups;
INSERT INTO user_groups (user_id, group_id) SELECT user_id, group_id FROM of_python.user_groups;
INSERT INTO preferences (pref_id, user_id, pref_name, pref_value)
SELECT pref_id, user_id, pref_name, pref_value FROM of_python.preferences;

-- Which locks and roles are believed stands in the steps for SQLite.
WITH noted AS (
 SELECT user_id, :notes -> 'previous_user_roles' AS roles FROM users
 WHERE user_role = 'locked' AND is_active = 0 AND email_verified = 1 AND user_id NOT IN (2, 3)
)
INSERT INTO role_history (user_id, position, role)
SELECT user_id, 1, roles ->> -1 FROM noted
WHERE json_typeof(roles) = 'array' AND roles ->> 0 = 'locked' AND json_typeof(roles -> -1) = 'string'
 AND roles ->> -1 <> 'locked' AND roles ->> -1 IN (SELECT name FROM roles);

INSERT INTO locks (user_id, cause, locked_on)
SELECT user_id, 'person', last_updated FROM users
WHERE user_role = 'locked' AND is_active = 0 AND user_id NOT IN (2, 3)
 AND (email_verified = 1 OR :notes -> 'previous_user_roles' ->> 0 = 'locked');

SELECT setval(pg_get_serial_sequence(tab, col), greatest(highest, last, 1), greatest(highest, last) IS NOT NULL)
FROM (SELECT 'users' AS tab, 'user_id' AS col, max(user_id) AS highest FROM users
 UNION ALL SELECT 'groups', 'group_id', max(group_id) FROM groups
 UNION ALL SELECT 'preferences', 'pref_id', max(pref_id) FROM preferences) of_table,
 LATERAL (SELECT pg_sequence_last_value(pg_get_serial_sequence('of_python.' || tab, col)::regclass) AS last) of_sequence;

DROP FUNCTION of_python.token_hash;
