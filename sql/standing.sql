-- name: by_id
SELECT is_active, user_role, revocations FROM users WHERE user_id = :user_id;
