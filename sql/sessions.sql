-- name: insert
INSERT INTO sessions (token_hash, ip_address, user_agent, user_id, created, expires, extra_info_json)
VALUES (:token_hash, :ip_address, :user_agent, :user_id, :now, :expires, :extra_info_json);

-- name: live_by_token
SELECT s.user_id, u.system_id, u.full_name, u.email, u.extra_info, u.email_verified,
       u.emailverify_sent_datetime, u.is_active, u.last_login_try, u.last_login_success, u.created_on,
       u.user_role, s.ip_address, s.user_agent, s.created, s.expires, s.extra_info_json
FROM sessions s JOIN users u ON u.user_id = s.user_id
WHERE s.token_hash = :token_hash AND s.expires > :now AND u.is_active = 1 AND u.user_role <> :locked;

-- name: set_extra_info
UPDATE sessions SET extra_info_json = :extra_info_json WHERE token_hash = :token_hash;

-- name: set_expires
UPDATE sessions SET expires = :expires WHERE token_hash = :token_hash;

-- name: list
-- Live ones, the newest first, in the order of an index. Times compare as text, for each is written in the same form.
SELECT token_hash, ip_address, user_agent, created, expires FROM sessions
WHERE user_id = :user_id AND expires > :now AND (created, token_hash) < (:created, :token_hash)
ORDER BY created DESC, token_hash DESC LIMIT :limit;

-- name: delete_by_id
DELETE FROM sessions WHERE token_hash BETWEEN :first AND :last AND user_id = coalesce(:owner, user_id)
RETURNING user_id;

-- name: delete
DELETE FROM sessions WHERE token_hash = :token_hash RETURNING user_id;

-- name: delete_by_user
DELETE FROM sessions WHERE user_id = :user_id AND token_hash IS DISTINCT FROM :kept_token_hash;

-- name: delete_all
DELETE FROM sessions;

-- name: delete_expired_before
DELETE FROM sessions WHERE token_hash IN
    (SELECT token_hash FROM sessions WHERE expires < :cutoff LIMIT :limit);
