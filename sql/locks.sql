-- name: by_user
SELECT cause, locked_until FROM locks WHERE user_id = :user_id;

-- name: list
SELECT user_id, email, locked_on, locked_until FROM locks JOIN users USING (user_id)
WHERE user_id > :after ORDER BY user_id LIMIT :limit;

-- name: insert
INSERT INTO locks (user_id, cause, locked_on, locked_until) VALUES (:user_id, :cause, :now, :locked_until)
ON CONFLICT (user_id)
DO UPDATE SET cause = excluded.cause, locked_on = excluded.locked_on, locked_until = excluded.locked_until;

-- name: delete
DELETE FROM locks WHERE user_id = :user_id;

-- name: ends
SELECT EXISTS (SELECT 1 FROM locks WHERE locked_until <= :now OR locked_until > :latest) AS any_ended,
    (SELECT min(locked_until) FROM locks) AS next_end;

-- name: ended
SELECT user_id FROM locks WHERE locked_until <= :now OR locked_until > :latest LIMIT :limit;

-- name: push_role
INSERT INTO role_history (user_id, position, role)
SELECT :user_id, coalesce(max(position), 0) + 1, :role FROM role_history WHERE user_id = :user_id;

-- name: roles_by_user
SELECT role FROM role_history WHERE user_id = :user_id ORDER BY position;

-- name: pop_role
DELETE FROM role_history WHERE user_id = :user_id
    AND position = (SELECT max(position) FROM role_history WHERE user_id = :user_id)
RETURNING role;

-- name: trim_roles
DELETE FROM role_history WHERE user_id = :user_id
    AND position <= (SELECT max(position) FROM role_history WHERE user_id = :user_id) - :kept;
