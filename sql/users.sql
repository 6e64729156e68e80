-- name: by_id
SELECT user_id, system_id, full_name, email, email_verified, is_active, last_login_try, last_login_success,
       failed_login_tries, created_on, last_updated, user_role, extra_info, emailverify_sent_datetime,
       emailforgotpass_sent_datetime, emailchangepass_sent_datetime
FROM users WHERE user_id = :user_id;

-- name: by_email
SELECT user_id, system_id, full_name, email, email_verified, is_active, last_login_try, last_login_success,
       failed_login_tries, created_on, last_updated, user_role, extra_info, emailverify_sent_datetime,
       emailforgotpass_sent_datetime, emailchangepass_sent_datetime
FROM users WHERE email = :email;

-- name: id_by_email
SELECT user_id FROM users WHERE email = :email;

-- name: credentials_by_email
SELECT user_id, system_id, password, email, full_name, is_active, email_verified, user_role, emailverify_sent_datetime,
       address_unproven
FROM users WHERE email = :email;

-- name: credentials_by_id
SELECT user_id, system_id, password, email, full_name, is_active, email_verified, user_role, emailverify_sent_datetime,
       address_unproven
FROM users WHERE user_id = :user_id;

-- name: count
SELECT count(*) FROM users;

-- name: any
SELECT EXISTS (SELECT 1 FROM users);

-- name: insert
INSERT INTO users (system_id, full_name, password, email, email_verified, is_active, emailverify_sent_datetime,
                   extra_info, created_on, last_updated, user_role, verification_letter_due)
VALUES (:system_id, :full_name, :password, :email, :email_verified, :is_active, :emailverify_sent_datetime,
        :extra_info, :now, :now, :user_role, :verification_email_due)
RETURNING user_id;

-- name: replace_pending
UPDATE users SET full_name = :full_name, extra_info = :extra_info, emailverify_sent_datetime = :now,
                 last_updated = :now, verification_letter_due = 1
WHERE user_id = :user_id;

-- name: set_no_password
UPDATE users SET password = :no_password WHERE user_id = :user_id;

-- name: set_address_unproven
UPDATE users SET address_unproven = :unproven WHERE user_id = :user_id;

-- name: contest_address
INSERT INTO contested_addresses (email) VALUES (:email) ON CONFLICT (email) DO NOTHING;

-- name: end_contest
DELETE FROM contested_addresses WHERE email = :email;

-- name: set_verified
UPDATE users SET is_active = 1, email_verified = 1, user_role = :user_role, last_updated = :now
WHERE user_id = :user_id;

-- name: set_verify_email_sent
UPDATE users SET emailverify_sent_datetime = :now, verification_letter_due = 0, last_updated = :now
WHERE user_id = :user_id;

-- name: set_forgotpass_email_sent
UPDATE users SET emailforgotpass_sent_datetime = :now, last_updated = :now WHERE user_id = :user_id;

-- name: verification_email_is_due
SELECT verification_letter_due FROM users WHERE user_id = :user_id;

-- name: set_password
UPDATE users SET password = :password, last_updated = :now
WHERE user_id = :user_id AND password = :verified_password AND is_active = :is_active;

-- name: set_login_success
UPDATE users SET last_login_success = :now, last_login_try = :now, failed_login_tries = 0, last_updated = :now
WHERE user_id = :user_id;

-- name: set_login_failure
UPDATE users SET last_login_try = :now, failed_login_tries = :failures, last_updated = :now
WHERE user_id = :user_id;

-- name: set_state
UPDATE users SET is_active = :is_active, user_role = :user_role, extra_info = :extra_info, last_updated = :now
WHERE user_id = :user_id;

-- name: list
SELECT user_id, system_id, full_name, email, email_verified, is_active, last_login_try, last_login_success,
       failed_login_tries, created_on, last_updated, user_role, extra_info, emailverify_sent_datetime,
       emailforgotpass_sent_datetime, emailchangepass_sent_datetime
FROM users WHERE user_id > :after ORDER BY user_id LIMIT :limit;

-- name: update
UPDATE users SET full_name = :full_name, email = :email, email_verified = :email_verified, is_active = :is_active,
                 user_role = :user_role, extra_info = :extra_info, last_updated = :now
WHERE user_id = :user_id;

-- name: delete
DELETE FROM users WHERE user_id = :user_id;

-- name: somebody_administers
-- A superuser who can log in, or will again once a lock after failed logins has ended.
SELECT EXISTS (SELECT 1 FROM users WHERE user_role = :superuser AND is_active = 1 AND email_verified = 1)
    OR EXISTS (SELECT 1 FROM locks JOIN users USING (user_id)
               WHERE cause = 'attempts' AND user_role = :locked AND email_verified = 1
                 AND :superuser = (SELECT role FROM role_history WHERE role_history.user_id = locks.user_id
                                    ORDER BY position DESC LIMIT 1));
