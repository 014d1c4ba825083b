DROP POLICY tenant ON telemetry_import_parts;
ALTER TABLE telemetry_import_parts DISABLE ROW LEVEL SECURITY;
ALTER TABLE telemetry_import_parts DROP CONSTRAINT fk_telemetry_import_parts_import;
ALTER TABLE telemetry_imports
    DROP CONSTRAINT telemetry_imports_organization_id_key,
    DROP CONSTRAINT fk_telemetry_imports_organization_robot,
    DROP CONSTRAINT fk_telemetry_imports_author,
    DROP CONSTRAINT fk_telemetry_imports_organization;
