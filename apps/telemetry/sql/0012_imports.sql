-- A recording belongs to its robot and goes with it. References include the organization, so that
-- not even raw SQL can name a robot or an import of another one.
ALTER TABLE telemetry_imports
    ADD CONSTRAINT fk_telemetry_imports_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_telemetry_imports_author FOREIGN KEY (created_by) REFERENCES users (id),
    ADD CONSTRAINT fk_telemetry_imports_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT telemetry_imports_organization_id_key UNIQUE (organization_id, id);

ALTER TABLE telemetry_import_parts
    ADD CONSTRAINT fk_telemetry_import_parts_import
        FOREIGN KEY (organization_id, import_id) REFERENCES telemetry_imports (organization_id, id)
        ON DELETE CASCADE;

-- Uploaded files are not compressible any further if they are gzip files, and are read once.
ALTER TABLE telemetry_import_parts ALTER COLUMN data SET STORAGE EXTERNAL;

-- A policy without the audit trigger: the import's row is audited.
ALTER TABLE telemetry_import_parts ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON telemetry_import_parts
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
