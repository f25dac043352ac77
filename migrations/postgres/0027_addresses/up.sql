-- When somebody last took another address: accounts that were known before are not matched by it (T-02).
ALTER TABLE users ADD COLUMN address_taken_at BIGINT;
