-- The language that whoever asked for an email reads, as a tag such as de-CH; '' where nobody said.
ALTER TABLE email_queue ADD COLUMN language TEXT NOT NULL DEFAULT '';
