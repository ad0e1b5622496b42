-- Accounts that exist count as verified.
ALTER TABLE users ADD COLUMN email_verified INTEGER NOT NULL DEFAULT 1;
-- Keys that SQL made are folded in ASCII only. Opening the database makes them again.
UPDATE users SET display_key = '';
