-- name: insert
INSERT INTO apikeys (token_hash, issued, expires, not_valid_before, user_id, user_role, session_hash, claims_hash)
VALUES (:token_hash, :issued, :expires, :not_valid_before, :user_id, :user_role, :session_hash, :claims_hash);

-- name: valid
-- A key whose owner is still active in the role that it was issued for, and whose session has not expired.
SELECT k.expires, k.claims_hash
FROM apikeys k JOIN users u ON u.user_id = k.user_id JOIN sessions s ON s.token_hash = k.session_hash
WHERE k.token_hash = :token_hash AND k.user_id = :user_id AND k.user_role = :user_role
  AND k.expires > :now AND k.issued < :now AND k.not_valid_before < :now
  AND u.is_active = 1 AND u.user_role = k.user_role AND s.expires > :now;

-- name: list
-- Those that have not ended, in the order of their identifiers, which is that of an index.
SELECT token_hash, user_role, issued, not_valid_before, expires, NULL AS refresh_expires FROM apikeys
WHERE user_id = :user_id AND expires > :now AND token_hash > :after ORDER BY token_hash LIMIT :limit;

-- name: delete_by_id
DELETE FROM apikeys WHERE token_hash BETWEEN :first AND :last AND user_id = coalesce(:owner, user_id)
RETURNING user_id;

-- name: delete
DELETE FROM apikeys WHERE token_hash = :token_hash AND user_id = :user_id AND user_role = :user_role;

-- name: delete_by_user
DELETE FROM apikeys WHERE user_id = :user_id;

-- name: delete_expired_before
DELETE FROM apikeys WHERE token_hash IN
    (SELECT token_hash FROM apikeys WHERE expires < :cutoff LIMIT :limit);
