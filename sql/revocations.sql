-- name: of_active_user
SELECT revocations FROM users WHERE user_id = :user_id AND is_active = 1 AND user_role <> :locked;

-- name: count
UPDATE users SET revocations = revocations + 1 WHERE user_id = :user_id;

-- name: count_for_all
UPDATE users SET revocations = revocations + 1;
