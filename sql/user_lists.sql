-- A value comes as the column's type has it, by `:text` or by `:number`; the other is null.

-- name: by_user_id
SELECT user_id FROM users WHERE user_id = :number AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: by_system_id
SELECT user_id FROM users WHERE system_id = :text AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: by_email
SELECT user_id FROM users WHERE email = :text AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: by_user_role
SELECT user_id FROM users WHERE user_role = :text AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: slice_end
SELECT max(user_id) AS user_id FROM (SELECT user_id FROM users WHERE user_id > :after ORDER BY user_id LIMIT :rows) AS slice;

-- name: in_slice
-- Columns without an index: every row from `:after` to `:until` is looked at.
SELECT user_id FROM users WHERE user_id > :after AND user_id <= :until AND (
    (:by = 'full_name' AND full_name = :text)
    OR (:by = 'email_verified' AND email_verified = :number)
    OR (:by = 'is_active' AND is_active = :number)
    OR (:by = 'last_login_try' AND last_login_try = :text)
    OR (:by = 'last_login_success' AND last_login_success = :text)
    OR (:by = 'failed_login_tries' AND failed_login_tries = :number)
    OR (:by = 'created_on' AND created_on = :text)
    OR (:by = 'last_updated' AND last_updated = :text)
    OR (:by = 'emailverify_sent_datetime' AND emailverify_sent_datetime = :text)
    OR (:by = 'emailforgotpass_sent_datetime' AND emailforgotpass_sent_datetime = :text)
    OR (:by = 'emailchangepass_sent_datetime' AND emailchangepass_sent_datetime = :text))
ORDER BY user_id;
