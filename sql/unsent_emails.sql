-- name: list_unsent
SELECT email_id, purpose, user_id, coalesce(nullif(address, ''), email) AS email, state, tries, next_try, created
FROM email_queue JOIN users USING (user_id)
WHERE email_id > :after AND state IN ('waiting', 'sending', 'dead')
ORDER BY email_id LIMIT :limit;

-- name: retry
UPDATE email_queue SET state = 'waiting', tries = 0, next_try = :now
WHERE email_id = :email_id AND user_id IS NOT NULL AND state IN ('waiting', 'dead');

-- name: retry_all
UPDATE email_queue SET state = 'waiting', tries = 0, next_try = :now
WHERE user_id IS NOT NULL AND state IN ('waiting', 'dead');

-- name: drop
-- It still counts among those of its day.
UPDATE email_queue SET state = 'done', address = '', site = '', page = '', browser = '', ip_address = ''
WHERE email_id = :email_id AND user_id IS NOT NULL AND state IN ('waiting', 'dead');
