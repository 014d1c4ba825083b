DROP TRIGGER audit_row_trigger ON $table;
DROP POLICY tenant ON $table;
ALTER TABLE $table DISABLE ROW LEVEL SECURITY;
