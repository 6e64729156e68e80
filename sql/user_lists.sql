-- A value compares with a column as SQLite compares them by the column's type, which is what the original relies on: the
-- text '1' equals the number 1 in a column of whole numbers, and the number 1 the text '1' in one of texts.

-- name: by_user_id
SELECT user_id FROM users WHERE user_id = :value AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: by_system_id
SELECT user_id FROM users WHERE system_id = :value AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: by_email
SELECT user_id FROM users WHERE email = :value AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: by_user_role
SELECT user_id FROM users WHERE user_role = :value AND user_id > :after ORDER BY user_id LIMIT :rows;

-- name: slice_end
SELECT max(user_id) AS user_id FROM (SELECT user_id FROM users WHERE user_id > :after ORDER BY user_id LIMIT :rows) AS slice;

-- name: in_slice
-- Columns without an index: every row from `:after` to `:until` is looked at.
SELECT user_id FROM users WHERE user_id > :after AND user_id <= :until AND (
    (:by = 'full_name' AND full_name = :value)
    OR (:by = 'email_verified' AND email_verified = :value)
    OR (:by = 'is_active' AND is_active = :value)
    OR (:by = 'last_login_try' AND last_login_try = :value)
    OR (:by = 'last_login_success' AND last_login_success = :value)
    OR (:by = 'failed_login_tries' AND failed_login_tries = :value)
    OR (:by = 'created_on' AND created_on = :value)
    OR (:by = 'last_updated' AND last_updated = :value)
    OR (:by = 'emailverify_sent_datetime' AND emailverify_sent_datetime = :value)
    OR (:by = 'emailforgotpass_sent_datetime' AND emailforgotpass_sent_datetime = :value)
    OR (:by = 'emailchangepass_sent_datetime' AND emailchangepass_sent_datetime = :value))
ORDER BY user_id;
