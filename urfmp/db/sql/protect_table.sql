ALTER TABLE $table ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON $table
    USING ($organization = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK ($organization = nullif(current_setting('app.organization_id', true), '')::uuid);

CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON $table
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('$resource', '$organization', '{$ignored}', '{$secret}');
