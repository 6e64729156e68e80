-- Emails are noted before they are sent, so that two requests cannot both send one, and the note is taken back when
-- one was certainly not sent.

-- name: claim_verify
UPDATE users SET emailverify_sent_datetime = :now, verification_letter_due = 0, last_updated = :now
WHERE user_id = :user_id AND verification_letter_due = 1;

-- name: give_back_verify
UPDATE users SET emailverify_sent_datetime = :before, verification_letter_due = 1
WHERE user_id = :user_id AND emailverify_sent_datetime = :claimed AND verification_letter_due = 0
  AND is_active = 0 AND email_verified = 0;

-- name: give_back_forgotpass
UPDATE users SET emailforgotpass_sent_datetime = :before
WHERE user_id = :user_id AND emailforgotpass_sent_datetime = :claimed;
