-- name: page
-- What an account is, and what it will be again: an account that failed logins have suspended counts as it was before.
SELECT user_id, system_id, email, full_name, password, email_verified, created_on, last_login_success, extra_info,
       CASE WHEN user_role = 'locked'
            THEN (SELECT role FROM role_history WHERE role_history.user_id = users.user_id ORDER BY position DESC LIMIT 1)
            ELSE user_role END AS role,
       CASE WHEN is_active = 1 OR cause = 'attempts' THEN 1 ELSE 0 END AS active,
       CASE WHEN cause = 'person' THEN 1 ELSE 0 END AS lock
FROM users LEFT JOIN locks USING (user_id)
WHERE user_id > :after ORDER BY user_id LIMIT :limit;

-- name: set_created
UPDATE users SET created_on = :created_on WHERE user_id = :user_id;
