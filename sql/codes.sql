-- name: upsert
INSERT INTO codes (code_hash, purpose, user_id, address, expires)
VALUES (:code_hash, :purpose, :user_id, :address, :expires)
ON CONFLICT (user_id, purpose, address) DO UPDATE SET code_hash = excluded.code_hash, expires = excluded.expires;

-- name: live
SELECT user_id, address, expires FROM codes WHERE code_hash = :code_hash AND expires > :now;

-- name: consume
DELETE FROM codes WHERE code_hash = :code_hash AND expires > :now RETURNING user_id;

-- name: delete_by_purpose
DELETE FROM codes WHERE user_id = :user_id AND purpose = :purpose;

-- name: delete_by_user
DELETE FROM codes WHERE user_id = :user_id AND purpose <> coalesce(:kept, '');

-- name: delete_since
DELETE FROM codes WHERE user_id = :user_id AND purpose = :purpose AND expires >= :expires;

-- name: delete_expired_before
DELETE FROM codes WHERE code_hash IN (SELECT code_hash FROM codes WHERE expires < :cutoff LIMIT :limit);

-- name: expiry_for_address
SELECT expires FROM codes
WHERE user_id = :user_id AND purpose = :purpose AND address = :address AND expires > :now;

-- name: any_for_another
SELECT EXISTS (SELECT 1 FROM codes
               WHERE purpose = :purpose AND address = :address AND user_id <> :user_id AND expires > :now);
