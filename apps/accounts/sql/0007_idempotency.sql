ALTER TABLE idempotency_keys
    ADD CONSTRAINT fk_idempotency_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id);

-- A policy without the audit trigger: the changes of a request are audited, its response is not.
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON idempotency_keys
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
