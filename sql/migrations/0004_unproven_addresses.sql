-- Set when somebody moved the account to its address by an edit, and nobody has verified that address since.
ALTER TABLE users ADD COLUMN address_unproven INTEGER NOT NULL DEFAULT 0 CHECK (address_unproven IN (0, 1));
-- Addresses that somebody signed up, with another password, while an account had been moved there. Kept by address, since
-- the account may move on or be deleted before the address is verified.
CREATE TABLE contested_addresses (email TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
