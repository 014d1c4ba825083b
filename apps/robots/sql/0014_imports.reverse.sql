DROP POLICY tenant ON robot_import_rows;
ALTER TABLE robot_import_rows DISABLE ROW LEVEL SECURITY;
ALTER TABLE robot_import_rows DROP CONSTRAINT fk_robot_import_rows_import;
ALTER TABLE robot_imports
    DROP CONSTRAINT fk_robot_imports_organization,
    DROP CONSTRAINT fk_robot_imports_author,
    DROP CONSTRAINT fk_robot_imports_key,
    DROP CONSTRAINT robot_imports_organization_id_key;
