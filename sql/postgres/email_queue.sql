-- name: next_due
-- What another process is just taking is left to it.
SELECT email_id, purpose, user_id, address, site, page, browser, ip_address, language, tries, created FROM email_queue
WHERE state IN ('waiting', 'sending') AND (next_try <= :now OR next_try > :latest) AND user_id IS NOT NULL
ORDER BY next_try LIMIT 1 FOR UPDATE SKIP LOCKED;
