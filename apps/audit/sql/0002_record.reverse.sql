DROP FUNCTION audit_clean_up(interval);
DROP FUNCTION audit_record(text, text, uuid, boolean, text, jsonb);
DROP FUNCTION audit_row();
DROP FUNCTION audit_pick(jsonb, text[]);
DROP FUNCTION audit_redact(jsonb, text[]);
GRANT INSERT, UPDATE, DELETE ON audit_logs TO urfmp_app;
DROP POLICY tenant ON audit_logs;
ALTER TABLE audit_logs DISABLE ROW LEVEL SECURITY;
ALTER TABLE audit_logs
    DROP CONSTRAINT fk_audit_user,
    DROP CONSTRAINT fk_audit_organization;
