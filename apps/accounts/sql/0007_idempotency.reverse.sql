DROP POLICY tenant ON idempotency_keys;
ALTER TABLE idempotency_keys DISABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys DROP CONSTRAINT fk_idempotency_organization;
