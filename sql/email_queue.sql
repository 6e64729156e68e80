-- name: insert
INSERT INTO email_queue (purpose, user_id, address, site, page, browser, ip_address, language, state, tries, next_try,
                         created)
VALUES (:purpose, :user_id, :address, :site, :page, :browser, :ip_address, :language, 'waiting', 0, :now, :now);

-- name: sent_lately
SELECT count(*) AS sent, max(created) AS latest FROM email_queue
WHERE user_id = :user_id AND purpose = :purpose AND created > :since AND created <= :latest;

-- name: withdraw
UPDATE email_queue SET state = 'done', address = '', site = '', page = '', browser = '', ip_address = ''
WHERE user_id = :user_id AND purpose = :purpose AND created >= :since AND state IN ('waiting', 'sending');

-- name: withdraw_all
UPDATE email_queue SET state = 'done', address = '', site = '', page = '', browser = '', ip_address = ''
WHERE user_id = :user_id AND purpose <> coalesce(:kept, '') AND state IN ('waiting', 'sending');

-- name: any_due
-- What lies too far ahead was written under a wrong clock.
SELECT EXISTS (SELECT 1 FROM email_queue
               WHERE state IN ('waiting', 'sending') AND (next_try <= :now OR next_try > :latest));

-- name: next_due
SELECT email_id, purpose, user_id, address, site, page, browser, ip_address, language, tries, created FROM email_queue
WHERE state IN ('waiting', 'sending') AND (next_try <= :now OR next_try > :latest) AND user_id IS NOT NULL
ORDER BY next_try LIMIT 1;

-- name: delete_nobodys
DELETE FROM email_queue WHERE user_id IS NULL AND state = 'waiting';

-- name: set_sending
UPDATE email_queue SET state = 'sending', next_try = :next_try
WHERE email_id = :email_id AND state IN ('waiting', 'sending');

-- name: set_waiting
UPDATE email_queue SET state = 'waiting', tries = :tries, next_try = :next_try
WHERE email_id = :email_id AND state = 'sending';

-- name: set_done
UPDATE email_queue SET state = 'done', address = '', site = '', page = '', browser = '', ip_address = ''
WHERE email_id = :email_id AND state = 'sending';

-- name: set_dead
UPDATE email_queue SET state = 'dead', tries = :tries WHERE email_id = :email_id AND state = 'sending';

-- name: any_sending
SELECT EXISTS (SELECT 1 FROM email_queue WHERE state = 'sending');

-- name: resume
UPDATE email_queue SET state = 'waiting', next_try = :now WHERE state = 'sending';

-- name: delete_done_before
DELETE FROM email_queue WHERE email_id IN
    (SELECT email_id FROM email_queue WHERE state IN ('done', 'dead') AND state = :state AND created < :cutoff LIMIT :limit);
