-- name: insert
INSERT INTO apikeys_nosession (token_hash, issued, expires, not_valid_before, refresh_hash, refresh_issued,
                               refresh_expires, refresh_nbf, user_id, user_role, claims_hash)
VALUES (:token_hash, :issued, :expires, :not_valid_before, :refresh_hash, :issued, :refresh_expires, :refresh_nbf,
        :user_id, :user_role, :claims_hash);

-- name: valid
-- A key whose owner is still active in the role that it was issued for.
SELECT k.expires, k.claims_hash
FROM apikeys_nosession k JOIN users u ON u.user_id = k.user_id
WHERE k.token_hash = :token_hash AND k.user_id = :user_id AND k.user_role = :user_role
  AND k.expires > :now AND k.issued < :now AND k.not_valid_before < :now
  AND u.is_active = 1 AND u.user_role = k.user_role;

-- name: refreshable
SELECT refresh_hash, refresh_argon2, claims_hash FROM apikeys_nosession
WHERE token_hash = :token_hash AND user_id = :user_id AND user_role = :user_role
  AND refresh_expires > :now AND refresh_nbf < :now AND refresh_issued < :now;

-- name: list
-- Those that can still be used or renewed, in the order of their identifiers, which is that of an index.
SELECT token_hash, user_role, issued, not_valid_before, expires, refresh_expires FROM apikeys_nosession
WHERE user_id = :user_id AND (expires > :now OR refresh_expires > :now) AND token_hash > :after
ORDER BY token_hash LIMIT :limit;

-- name: delete_by_id
DELETE FROM apikeys_nosession WHERE token_hash BETWEEN :first AND :last AND user_id = coalesce(:owner, user_id)
RETURNING user_id;

-- name: delete
DELETE FROM apikeys_nosession
WHERE token_hash = :token_hash AND user_id = :user_id AND user_role = :user_role;

-- name: delete_by_user
DELETE FROM apikeys_nosession WHERE user_id = :user_id;

-- name: delete_expired_before
DELETE FROM apikeys_nosession WHERE token_hash IN
    (SELECT token_hash FROM apikeys_nosession WHERE expires < :cutoff AND refresh_expires < :cutoff LIMIT :limit);
