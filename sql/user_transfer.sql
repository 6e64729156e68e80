-- name: page
-- What an account is, and what it will be again: an account that failed logins have suspended counts as it was before.
SELECT user_id, system_id, email, full_name, password, email_verified, created_on, last_login_success, extra_info,
       CASE WHEN user_role = 'locked'
            THEN (SELECT role FROM role_history WHERE role_history.user_id = users.user_id ORDER BY position DESC LIMIT 1)
            ELSE user_role END AS role,
       is_active OR coalesce(cause = 'attempts', 0) AS active,
       coalesce(cause = 'person', 0) AS lock
FROM users LEFT JOIN locks USING (user_id)
WHERE user_id > :after ORDER BY user_id LIMIT :limit;

-- name: set_created
UPDATE users SET created_on = :created_on WHERE user_id = :user_id;
