ALTER TABLE robot_imports
    ADD CONSTRAINT fk_robot_imports_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_robot_imports_author FOREIGN KEY (created_by) REFERENCES users (id),
    ADD CONSTRAINT fk_robot_imports_key
        FOREIGN KEY (organization_id, created_by_key_id)
        REFERENCES api_keys (organization_id, id),
    ADD CONSTRAINT robot_imports_organization_id_key UNIQUE (organization_id, id);

ALTER TABLE robot_import_rows
    ADD CONSTRAINT fk_robot_import_rows_import
        FOREIGN KEY (organization_id, import_id) REFERENCES robot_imports (organization_id, id)
        ON DELETE CASCADE;

-- A policy without the audit trigger: the import and the robots that it changes are audited.
ALTER TABLE robot_import_rows ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON robot_import_rows
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
