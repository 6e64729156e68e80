-- name: insert
INSERT INTO scoped_keys (key_id, secret_hash, user_id, user_role, name, scopes, issued, expires)
VALUES (:key_id, :secret_hash, :user_id, :user_role, :name, :scopes, :issued, :expires);

-- name: valid
-- A key whose owner is still active in the role that it was issued for.
SELECT k.user_id, k.user_role, k.name, k.scopes, k.expires, k.secret_hash,
       CASE WHEN k.old_secret_ends > :now THEN k.old_secret_hash END AS old_secret_hash
FROM scoped_keys k JOIN users u ON u.user_id = k.user_id
WHERE k.key_id = :key_id AND (k.expires IS NULL OR k.expires > :now) AND u.is_active = 1 AND u.user_role = k.user_role;

-- name: count
-- How many a user has, with those that have expired and are still kept.
SELECT count(*) AS keys FROM scoped_keys WHERE user_id = :user_id;

-- name: overlaps
-- A user's key that has not expired: whether its old secret is still good.
SELECT CASE WHEN old_secret_ends > :now THEN 1 ELSE 0 END AS overlaps FROM scoped_keys
WHERE key_id = :key_id AND user_id = :user_id AND (expires IS NULL OR expires > :now);

-- name: rotate
UPDATE scoped_keys SET old_secret_hash = CASE WHEN CAST(:old_secret_ends AS TEXT) IS NOT NULL THEN secret_hash END,
                       old_secret_ends = :old_secret_ends, secret_hash = :secret_hash
WHERE key_id = :key_id AND user_id = :user_id;

-- name: set_last_used
UPDATE scoped_keys SET last_used = :last_used
WHERE key_id = :key_id AND (last_used IS NULL OR last_used < :last_used);

-- name: list
-- Those that have not expired, in the order of their identifiers.
SELECT key_id, user_role, name, scopes, issued, expires, last_used FROM scoped_keys
WHERE user_id = :user_id AND (expires IS NULL OR expires > :now) AND key_id > :after ORDER BY key_id LIMIT :limit;

-- name: delete_by_id
DELETE FROM scoped_keys WHERE key_id = :key_id AND user_id = coalesce(:owner, user_id) RETURNING user_id;

-- name: delete_by_user
DELETE FROM scoped_keys WHERE user_id = :user_id;

-- name: delete_expired_before
DELETE FROM scoped_keys WHERE key_id IN (SELECT key_id FROM scoped_keys WHERE expires < :cutoff LIMIT :limit);
