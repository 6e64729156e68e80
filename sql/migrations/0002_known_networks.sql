-- When a password check last succeeded. Only rows with a network keep it: it tells where the account's owner comes from.
ALTER TABLE attempts ADD COLUMN last_success TEXT;
